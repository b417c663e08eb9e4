"""What handlers may ask for by name."""

import math
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from api.admission import AdmissionGate
from api.keys import Principal
from api.services import Services
from phoserve.answers.answering import Answerer
from phoserve.concurrency.deadline import Deadline
from phoserve.documents.intake import Intake
from phoserve.documents.library import Library
from phoserve.errors import InvalidInput
from phoserve.search.retrieval import Retriever
from phoserve.settings import LimitSettings
from phoserve.text import query_terms

TIMEOUT_HEADER: Final = "x-request-timeout"


@dataclass(frozen=True, slots=True)
class AdmissionGates:
    """One gate for each thing that runs out."""

    requests: AdmissionGate
    texts: AdmissionGate
    answers: AdmissionGate

    @classmethod
    def of(cls, limits: LimitSettings) -> "AdmissionGates":
        """AdmissionGates of the sizes that the limits name."""
        return cls(
            requests=AdmissionGate("requests", limits.max_in_flight),
            texts=AdmissionGate("texts", limits.max_texts_in_flight),
            answers=AdmissionGate("answers", limits.max_answers_in_flight),
        )


ServicesDep = NamedDependency[SkipValidation[Services]]
GatesDep = NamedDependency[SkipValidation[AdmissionGates]]
DeadlineDep = NamedDependency[SkipValidation[Deadline]]
PrincipalDep = NamedDependency[SkipValidation[Principal]]
LibraryDep = NamedDependency[SkipValidation[Library]]
IntakeDep = NamedDependency[SkipValidation[Intake]]
AnswererDep = NamedDependency[SkipValidation[Answerer]]
AnswerDeadlineDep = NamedDependency[SkipValidation[Deadline]]
RetrieverDep = NamedDependency[SkipValidation[Retriever]]


def providers(services: Services, gates: AdmissionGates) -> dict[str, Provide]:
    """The providers of everything above."""
    stores = services.registry, services.index, services.sources, services.queue

    limits = services.limits
    retriever = retriever_for(services)

    def deadline(request: Request[Any, Any, Any]) -> Deadline:
        return Deadline.after(requested_timeout_s(request.headers.get(TIMEOUT_HEADER), limits.timeout_s))

    def answer_deadline(request: Request[Any, Any, Any]) -> Deadline:
        return Deadline.after(requested_timeout_s(request.headers.get(TIMEOUT_HEADER), limits.answer_timeout_s))

    def principal(request: Request[Any, Any, Any]) -> Principal:
        known: Principal = request.scope["principal"]  # type: ignore[typeddict-item]
        return known

    return {
        "services": always(services),
        "gates": always(gates),
        "library": always(Library(*stores)),
        "intake": always(Intake(*stores, limits=services.intake_limits)),
        "retriever": always(retriever),
        "answerer": always(Answerer(retriever, services.chat, services.prompt, min_evidence=services.min_evidence)),
        "answer_deadline": Provide(answer_deadline, sync_to_thread=False),
        "deadline": Provide(deadline, sync_to_thread=False),
        "principal": Provide(principal, sync_to_thread=False),
    }


def always(value: Any) -> Provide:
    """Provide this one value to every request."""
    return Provide(lambda: value, sync_to_thread=False)


def retriever_for(services: Services) -> Retriever:
    """The retriever over the services' model and index."""
    return Retriever(
        services.embedder,
        services.index,
        lambda text: query_terms(services.pipeline, [text])[0],
        services.reranker,
    )


def requested_timeout_s(header: str | None, limit_s: float) -> float:
    """The time limit the client asked for, in seconds, at most `limit_s`. Raises InvalidInput."""
    if header is None:
        return limit_s
    try:
        wanted = float(header)
    except ValueError:
        wanted = math.nan
    if not wanted > 0:
        raise InvalidInput("the header X-Request-Timeout is a number of seconds above 0", field="X-Request-Timeout")
    return min(wanted, limit_s)
