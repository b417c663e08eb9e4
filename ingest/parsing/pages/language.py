"""Whether letters that a font has no meanings for make words in spite of that."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

_SAMPLE: Final = 400
_FEWEST: Final = 8
_SHARE: Final = 0.12
# Words without which no page of English or Vietnamese is written, those without accents among them.
_WORDS: Final = frozenset(
    """
    the of and to in is that for it as with be on by this are or at from not an have which was we can will has all if
    và của các có được cho là trong với không theo một người này về tại khi đã để từ số ngày năm đến quy định công
    trong cho theo khi hay hai ba nam nay cao chi thi tin xin ban sinh chung thanh tham gia
    """.split()  # noqa: SIM905
)
_EDGES: Final = "\"'()[]{}<>.,;:!?*/-–—…“”‘’"


def is_language(words: Iterable[str]) -> bool:
    """Return whether enough of `words` are common ones of English or Vietnamese."""
    bare = (word.strip(_EDGES).lower() for word in islice(words, 4 * _SAMPLE))
    letters = [word for word in bare if len(word) > 1 and word.isalpha()][:_SAMPLE]
    return len(letters) >= _FEWEST and sum(word in _WORDS for word in letters) >= _SHARE * len(letters)
