"""The API's use cases over open stores: `api.composition` builds them from settings, tests build them from fakes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry

from api.admission import AdmissionGates
from api.audit import AuditTrail
from api.body_process import BodyProcess
from api.clients import ClientAddresses
from api.event_streams import EventStreams
from api.keys import AnonymousAccess, KeyRing
from api.metrics import Metrics
from api.rates import BodiesInFlight, ConcurrentRequests, FailedKeys, NoLimit, RateLimiter
from api.readiness import ReadinessProbe
from phoserve.answers.answering import Answerer
from phoserve.answers.ports import ChatModel
from phoserve.answers.prompt import Prompt
from phoserve.composition import Stores
from phoserve.concurrency.turns import Turns
from phoserve.contract import ModelContract
from phoserve.documents.access_changes import AccessChanges
from phoserve.documents.collections import Collection
from phoserve.documents.intake import Intake, IntakeLimits
from phoserve.documents.library import Library
from phoserve.embedding.models import ModelCatalog
from phoserve.errors import ModelNotFound, NotFound
from phoserve.search.directory import ModelDirectory
from phoserve.search.ports import Reranker
from phoserve.search.retrieval import Retriever
from phoserve.settings import HttpSettings, LimitSettings
from phoserve.text import QueryReader
from phoserve.text.diacritics import shipped_restorer

LOOP_SHARE: Final = 0.25
THREAD_SHARE: Final = 0.5
BODIES_BYTES: Final = 16
"""Large bodies in memory, in units of the largest."""
BODIES_OF_KEY: Final = 4
BODIES: Final = BodyProcess()
"""One for all applications of a process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything a request handler may use, ready made."""

    stores: Stores
    library: Library
    intake: Intake
    access: AccessChanges
    """Knows what searches must hide although the index may still show it."""
    answerers: Mapping[str, Answerer]
    """By the fingerprint of the model that they search with."""
    chat: ChatModel | None
    directory: ModelDirectory
    rerankers: Mapping[str, Reranker]
    keys: KeyRing
    audit: AuditTrail
    rates: RateLimiter
    limits: LimitSettings
    gates: AdmissionGates
    loop_turns: Turns
    """Of long work on the event loop: encoding and checking."""
    thread_turns: Turns
    """Of long work on a thread, which holds the interpreter's lock."""
    bodies: BodyProcess
    bodies_in_flight: BodiesInFlight
    concurrent_requests: ConcurrentRequests
    failed_keys: FailedKeys
    http: HttpSettings
    addresses: ClientAddresses
    event_streams: EventStreams
    metrics: Metrics
    readiness: ReadinessProbe

    @property
    def contract(self) -> ModelContract:
        """The contract of the default model."""
        return self.stores.embedders.interactive.contract

    @property
    def models(self) -> ModelCatalog:
        """The embedding models by name."""
        return self.directory.catalog

    def answerer_of(self, collection: Collection) -> Answerer:
        """Return what answers from the collection, with its model. Raises ContractMismatch if it is not served."""
        return self.answerers[self.directory.of(collection).fingerprint]

    def retriever_of(self, collection: Collection) -> Retriever:
        """Return what searches the collection, with its model. Raises ContractMismatch if it is not served."""
        return self.answerer_of(collection).retriever

    def find_reranker(self, name: str | None) -> Reranker:
        """Return the reranker called `name`; the first one for None. Raises ModelNotFound, NotFound."""
        if not self.rerankers:
            raise NotFound("this server has no reranker; start it with one (docs/reranking.md)")
        if name is None:
            return next(iter(self.rerankers.values()))
        if name not in self.rerankers:
            raise ModelNotFound(name, list(self.rerankers))
        return self.rerankers[name]


def make_services(
    stores: Stores,
    *,
    chat: ChatModel | None = None,
    prompt: Prompt | None = None,
    min_confidence: float | None = None,
    falls_back: bool = True,
    keep_images: bool = False,
    window: int = 1,
    rerankers: Sequence[Reranker] = (),
    keys: KeyRing | None = None,
    rates: RateLimiter | None = None,
    limits: LimitSettings | None = None,
    http: HttpSettings | None = None,
    intake_limits: IntakeLimits | None = None,
    registries: tuple[CollectorRegistry, ...] = (),
) -> Services:
    """Build the use cases over `stores`. Nothing is opened here, so nothing has to be closed.

    Without `chat`, answers are extractive, given from `min_confidence` on; with `falls_back` they also replace those of
    a failed LLM. `keep_images` leaves images in the LLM's text; the LLM reads `window` passages around each hit.
    `registries` hold more metrics for /metrics, such as those of ingestion in the same process.
    """
    limits, http, keys = limits or LimitSettings(), http or HttpSettings(), keys or AnonymousAccess()
    documents = stores.registry, stores.indexes, stores.sources, stores.queue
    access = AccessChanges(stores.registry)
    directory, restorer = stores.directory, shipped_restorer()
    answerers = {
        each.fingerprint: Answerer(
            Retriever(
                each.model.embedders.interactive,
                each.index,
                QueryReader(each.model.text, restorer),
                next(iter(rerankers), None),
                access,
            ),
            chat,
            prompt or Prompt(),
            min_confidence=min_confidence,
            falls_back=falls_back,
            keep_images=keep_images,
            window=window,
        )
        for each in directory.models
    }
    gates, loop_turns = AdmissionGates.of(limits), Turns(LOOP_SHARE)
    return Services(
        stores=stores,
        library=Library(*documents),
        intake=Intake(*documents, limits=intake_limits, turns=loop_turns),
        loop_turns=loop_turns,
        thread_turns=Turns(THREAD_SHARE),
        bodies=BODIES,
        access=access,
        answerers=answerers,
        chat=chat,
        directory=directory,
        rerankers={reranker.name: reranker for reranker in rerankers},
        keys=keys,
        audit=AuditTrail(stores.audit),
        rates=rates or NoLimit(),
        limits=limits,
        gates=gates,
        bodies_in_flight=BodiesInFlight(BODIES_BYTES * limits.max_body_bytes, BODIES_OF_KEY * limits.max_body_bytes),
        concurrent_requests=ConcurrentRequests(limits.requests_at_once),
        failed_keys=FailedKeys(http.max_failed_keys_per_minute),
        http=http,
        addresses=ClientAddresses(http.trusted_proxies),
        event_streams=EventStreams(http),
        metrics=Metrics(gates, [each.model.embedders.interactive for each in directory.models], keys, registries),
        readiness=ReadinessProbe(stores, chat),
    )
