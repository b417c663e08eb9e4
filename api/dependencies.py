"""What handlers may ask for by name."""

import math
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from api.admission import Gate
from api.services import Services
from phoserve.deadline import Deadline
from phoserve.errors import InvalidInput

TIMEOUT_HEADER = "x-request-timeout"


@dataclass(frozen=True, slots=True)
class Gates:
    """One gate for each thing that runs out."""

    requests: Gate
    texts: Gate
    answers: Gate


ServicesDep = NamedDependency[SkipValidation[Services]]
GatesDep = NamedDependency[SkipValidation[Gates]]
DeadlineDep = NamedDependency[SkipValidation[Deadline]]


def gates_for(services: Services) -> Gates:
    """Gates of the sizes that the limits name."""
    limits = services.limits
    return Gates(
        requests=Gate("requests", limits.max_in_flight),
        texts=Gate("texts", limits.max_texts_in_flight),
        answers=Gate("answers", limits.max_answers_in_flight),
    )


def providers(services: Services, gates: Gates) -> dict[str, Provide]:
    """The providers of everything above."""

    def deadline(request: Request[Any, Any, Any]) -> Deadline:
        return Deadline.after(requested_timeout_s(request.headers.get(TIMEOUT_HEADER), services.limits.timeout_s))

    return {
        "services": Provide(lambda: services, sync_to_thread=False),
        "gates": Provide(lambda: gates, sync_to_thread=False),
        "deadline": Provide(deadline, sync_to_thread=False),
    }


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
