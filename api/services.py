"""What the API stands on, ready made: the composition root builds it, tests build it from fakes."""

from dataclasses import dataclass, field

from phoserve.ports import Embedder
from phoserve.settings import LimitSettings


@dataclass(frozen=True, slots=True)
class Services:
    """The filled ports and the settings' values."""

    embedder: Embedder
    limits: LimitSettings = field(default_factory=LimitSettings)
