"""What the API stands on, ready made: the composition root builds it, tests build it from fakes."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from api.keys import AnonymousAccess, KeyRing
from api.rates import NoLimit, RateLimiter
from phoserve.answers.ports import ChatModel
from phoserve.answers.prompt import Prompt
from phoserve.documents.intake import IntakeLimits
from phoserve.documents.ports import DocumentRegistry, SourceStore, TaskQueue
from phoserve.embedding.ports import Embedder
from phoserve.search.ports import PassageIndex, Reranker
from phoserve.settings import LimitSettings
from phoserve.text import TextPipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The filled ports and the settings' values."""

    embedder: Embedder
    pipeline: TextPipeline
    index: PassageIndex
    registry: DocumentRegistry
    sources: SourceStore
    queue: TaskQueue
    chat: ChatModel | None = None
    """Without one, answers are extractive."""
    prompt: Prompt = field(default_factory=Prompt)
    min_evidence: float = 0.0
    """Best cosine plus best share of the question's words, below which no extractive answer is given."""
    reranker: Reranker | None = None
    keys: KeyRing = field(default_factory=AnonymousAccess)
    rates: RateLimiter = field(default_factory=NoLimit)
    limits: LimitSettings = field(default_factory=LimitSettings)
    intake_limits: IntakeLimits = field(default_factory=IntakeLimits)
    registries: tuple[CollectorRegistry, ...] = ()
    """More metrics for /metrics: of the ingestion that runs in this process."""
