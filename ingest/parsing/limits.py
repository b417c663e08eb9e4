"""What reading one document may cost."""

from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024
OCR_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """Limits of the parser's process."""

    time_s: float = 45.0
    """Of the processor; on a busy machine it takes longer."""
    memory_bytes: int = 1024 * MIB
    text_bytes: int = 64 * MIB
    ocr_s: float = OCR_S
    """How long OCR of a PDF file or an image may take in addition; pages after that are named in a warning."""
