"""Remove what loads addresses from an LLM's text: a document could make it load one that reports who reads."""

import re
from collections.abc import Iterator
from typing import Final

# ![alt](address) and ![alt][reference] on one line as Markdown has them, and <img ...>. No part contains what begins
# another image, so that each character is read once.
_IMAGE: Final = re.compile(
    r"!\[(?P<alt>[^\[\]\n]*+)\](?:\((?:[^()\n]++|\([^()\n]*+\))*+\)|\[[^\[\]\n]*+\])|<img\b[^<>]*+>", re.IGNORECASE
)
_BEGUN: Final = re.compile(
    r"!\[[^\[\]\n]*+(?:\](?:\((?:[^()\n]++|\([^()\n]*+\))*+(?:\([^()\n]*+)?|\[[^\[\]\n]*+)?)?\Z|<[a-z][^<>]*+\Z",
    re.IGNORECASE,
)
_START: Final = re.compile(r"!(?=\[)")
# Behind "<": elements, and attributes of any element, with addresses that a browser loads by itself.
_LOADING: Final = re.compile(
    r"(?:audio|base|body|embed|frame|iframe|image|img|input|link|meta|object|picture|script|source|style|svg|table"
    r"|track|video)\b|[a-z][^>]*[\s\"'/](?:background|data|poster|src|srcset|style|xlink:href)\s*+=",
    re.IGNORECASE,
)
_UNCLOSED: Final = re.compile(r"(?:[a-z][^>]*+)?\Z", re.IGNORECASE)
MAX_HELD: Final = 2000
"""Characters held back while they may still become an image; data: addresses are longer and are cut as they come."""


class ImageFilter:
    """Replaces images by their alternative text in a stream, however the stream is cut.

    What is no plain image and may still be shown as one, or as another element that loads an address, is shown as text
    or as a link.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> Iterator[str]:
        """Yield what is certain now that `text` has come."""
        self._held = _IMAGE.sub(_alternative, self._held + text)
        ready = self._ready()
        is_cut = len(self._held) - ready > MAX_HELD  # no image is this long
        if is_cut:
            ready = len(self._held)
        if ready:
            yield _harmless(self._held[:ready], is_cut=is_cut)
        self._held = self._held[ready:]

    def finish(self) -> Iterator[str]:
        """Yield the rest, once nothing more comes."""
        if self._held:
            # An unfinished image may be completed by what a reader appends.
            yield _harmless(self._held)
        self._held = ""

    def _ready(self) -> int:
        """Return how much cannot become an image or an element any more."""
        start = max(self._held.rfind("!["), self._held.rfind("<"))
        if start < 0 or not _BEGUN.match(self._held, start):
            start = len(self._held) - self._held.endswith(("!", "<"))
        # An element that has no end before the next one takes the attributes of that one.
        while (before := self._held.rfind("<", 0, start)) >= 0 and _UNCLOSED.match(self._held[before + 1 : start]):
            start = before
        return start


def _harmless(text: str, *, is_cut: bool = False) -> str:
    """Return `text` without what loads an address; of a text that is cut, the last element may become one that does."""
    before, *elements = _START.sub("", text).split("<")
    shown: list[str] = []
    is_loading = is_cut
    for element in reversed(elements):
        is_loading = bool(_LOADING.match(element) or (is_loading and _UNCLOSED.match(element)))
        shown.append(("&lt;" if is_loading else "<") + element)
    return before + "".join(reversed(shown))


def _alternative(image: "re.Match[str]") -> str:
    return image["alt"] or ""
