"""What reading one document may cost."""

from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """Limits of the parser's process."""

    time_s: float = 45.0
    memory_bytes: int = 1024 * MIB
    text_bytes: int = 64 * MIB
