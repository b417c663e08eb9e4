"""Remove images from an LLM's text: a document could make it load an address that reports who reads."""

import re
from collections.abc import Iterator
from typing import Final

# ![alt](address), ![alt][reference] and <img ...>, on one line as Markdown has them.
_IMAGE: Final = re.compile(r"!\[(?P<alt>[^\]\n]*)\](?:\([^)\n]*\)|\[[^\]\n]*\])|<img\b[^>]*>", re.IGNORECASE)
_BEGUN: Final = re.compile(
    r"(?:!(?:\[[^\]\n]*(?:\](?:\([^)\n]*|\[[^\]\n]*)?)?)?|<(?:i(?:m(?:g(?:\b[^>]*)?)?)?)?)\Z", re.IGNORECASE
)
_START: Final = re.compile(r"!\[|<img", re.IGNORECASE)
MAX_HELD: Final = 2000
"""Characters held back while they may still become an image; data: addresses are longer and are cut as they come."""


class ImageFilter:
    """Replaces images by their alternative text in a stream, however the stream is cut."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> Iterator[str]:
        """Yield what is certain now that `text` has come."""
        self._held = _IMAGE.sub(_alternative, self._held + text)
        begun = _BEGUN.search(self._held)
        ready = begun.start() if begun else len(self._held)
        if len(self._held) - ready > MAX_HELD:
            # No image is this long: break its syntax and let it go.
            self._held = _START.sub("[", self._held)
            ready = len(self._held)
        if ready:
            yield self._held[:ready]
        self._held = self._held[ready:]

    def finish(self) -> Iterator[str]:
        """Yield the rest, once nothing more comes."""
        if self._held:
            # An unfinished image may be completed by what a reader appends.
            yield _START.sub("[", self._held)
        self._held = ""


def _alternative(image: "re.Match[str]") -> str:
    return image["alt"] or ""
