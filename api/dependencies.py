"""What handlers may ask for by name; everything comes from the application's `Services`."""

import math
from typing import Any, Final

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from api.admission import AdmissionGates
from api.audit import AuditTrail
from api.embedding import EmbeddingCall
from api.event_streams import EventStreams
from api.keys import Principal
from api.metrics import Metrics
from api.services import Services
from phoserve.concurrency.deadline import Deadline
from phoserve.documents.intake import Intake
from phoserve.documents.library import Library
from phoserve.errors import InvalidInput

TIMEOUT_HEADER: Final = "x-request-timeout"

ServicesDep = NamedDependency[SkipValidation[Services]]
GatesDep = NamedDependency[SkipValidation[AdmissionGates]]
MetricsDep = NamedDependency[SkipValidation[Metrics]]
EventStreamsDep = NamedDependency[SkipValidation[EventStreams]]
DeadlineDep = NamedDependency[SkipValidation[Deadline]]
AnswerDeadlineDep = NamedDependency[SkipValidation[Deadline]]
EmbeddingDep = NamedDependency[SkipValidation[EmbeddingCall]]
PrincipalDep = NamedDependency[SkipValidation[Principal]]
AuditDep = NamedDependency[SkipValidation[AuditTrail]]
LibraryDep = NamedDependency[SkipValidation[Library]]
IntakeDep = NamedDependency[SkipValidation[Intake]]

OF_SERVICES: Final = ("gates", "metrics", "event_streams", "library", "intake", "audit")


def services_of(state: State) -> Services:
    """Return the application's services, which live in its state and nowhere else."""
    services: Services = state.services
    return services


def providers() -> dict[str, Provide]:
    """Return the providers of everything above."""
    return {
        "services": Provide(services_of, sync_to_thread=False),
        **{name: _provide_field(name) for name in OF_SERVICES},
        "deadline": Provide(_deadline, sync_to_thread=False),
        "answer_deadline": Provide(_answer_deadline, sync_to_thread=False),
        "embedding": Provide(_embedding, sync_to_thread=False),
        "principal": Provide(_principal, sync_to_thread=False),
    }


def requested_timeout_s(header: str | None, limit_s: float) -> float:
    """Return the client's time limit in seconds, at most `limit_s`. Raises InvalidInput."""
    if header is None:
        return limit_s
    try:
        wanted = float(header)
    except ValueError:
        wanted = math.nan
    if not wanted > 0:
        raise InvalidInput("the header X-Request-Timeout is a number of seconds above 0", field="X-Request-Timeout")
    return min(wanted, limit_s)


def _provide_field(name: str) -> Provide:
    def field(state: State) -> Any:
        return getattr(services_of(state), name)

    return Provide(field, sync_to_thread=False)


def _deadline(request: Request[Any, Any, Any], state: State) -> Deadline:
    limit_s = services_of(state).limits.timeout_s
    return Deadline.after(requested_timeout_s(request.headers.get(TIMEOUT_HEADER), limit_s))


def _embedding(state: State, deadline: DeadlineDep) -> EmbeddingCall:
    return EmbeddingCall(services_of(state), deadline)


def _answer_deadline(request: Request[Any, Any, Any], state: State) -> Deadline:
    limit_s = services_of(state).limits.answer_timeout_s
    return Deadline.after(requested_timeout_s(request.headers.get(TIMEOUT_HEADER), limit_s))


def _principal(request: Request[Any, Any, Any]) -> Principal:
    principal: Principal = request.scope["principal"]  # type: ignore[typeddict-item]
    return principal
