"""The questions that one message asks, so that each gets an answer of its own."""

import re
from dataclasses import dataclass
from typing import Final

from phoserve.answers.follow_up import stand_alone
from phoserve.answers.ports import ChatMessage

MAX_PARTS: Final = 3
MAX_CHARACTERS: Final = 300
"""A longer text is a story with a question, not two questions."""
_BETWEEN: Final = re.compile(r"\?\s*(?=\w)|,\s*(?:và|còn|rồi|với lại)?\s*|;\s*|\s(?:và|với lại|and)\s", re.IGNORECASE)
_ASKS: Final = re.compile(
    r"\b(?:bao nhiêu|bao lâu|bao giờ|bao xa|mấy|khi nào|lúc nào|ngày nào|hôm nào|nào|ở đâu|đâu|ai|gì|thế nào|ra sao"
    r"|vì sao|tại sao|làm sao|how|what|when|where|who|which|why)\b|\bkhông\s*\Z",
    re.IGNORECASE,
)
_COMPARES: Final = re.compile(r"\b(?:khác|so sánh|so với|hơn|giống)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One of several questions."""

    asked: str
    """In the words of the person."""
    text: str
    """Complete on its own: with the topic of the first question, where it leaves that out."""


def parts_of(question: str) -> list[Part]:
    """Return the questions that `question` asks; itself alone if it is one."""
    alone = [Part(question, question)]
    if len(question) > MAX_CHARACTERS or _COMPARES.search(question):
        return alone
    pieces = [piece.strip() for piece in _BETWEEN.split(question.rstrip(" ?.!")) if piece.strip()]
    if not 2 <= len(pieces) <= MAX_PARTS or not all(_ASKS.search(piece) for piece in pieces):
        return alone
    first = [ChatMessage("user", pieces[0])]
    return [Part(pieces[0], pieces[0]), *(Part(piece, stand_alone(piece, first)) for piece in pieces[1:])]
