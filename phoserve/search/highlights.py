"""Where the words of a query stand in a passage."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from phoserve.text.tones import modern_tones

# Combining marks too: a text may come decomposed.
WORD: Final = re.compile(r"[\w\u0300-\u036f]+")
GAP: Final = re.compile(r"[ \t_-]{0,2}")
# Syllables that are in most texts and say nothing about any: marking them would hide what matters.
FUNCTION_SYLLABLES: Final = frozenset(
    """
    ai ấy bao bị bởi các cái cần chỉ cho có còn của cũng cùng đã đang đâu để đều đến đi đó do được em gì hay hãy hơn
    khi không là lại làm lúc mà mình mỗi một muốn nào này nên nếu nhiêu như những nhưng nữa ở phải qua ra rất rồi sao
    sau sẽ tại tất tôi thế thì trên trong trước từ tới và vào vẫn vì về với vậy đây thể bằng theo lên xuống người
    """.split()  # noqa: SIM905
)

Span = tuple[int, int]


def highlights(query: str, text: str) -> list[Span]:
    """The spans of `text` whose words are in `query`, in order; neighbouring words share a span.

    Case and the placement of tone marks do not matter. A query of nothing but function words is matched as it is.
    """
    wanted = content_syllables(query)
    spans: list[Span] = []
    for word in WORD.finditer(text):
        if folded(word.group()) not in wanted:
            continue
        if spans and GAP.fullmatch(text, spans[-1][1], word.start()):
            spans[-1] = (spans[-1][0], word.end())
        else:
            spans.append(word.span())
    return spans


def content_syllables(text: str) -> frozenset[str]:
    """The folded syllables of `text` without function words; all of them if there is nothing else."""
    syllables = frozenset(folded(word) for word in WORD.findall(text))
    return syllables - FUNCTION_SYLLABLES or syllables


@lru_cache(maxsize=1 << 16)
def folded(syllable: str) -> str:
    """`syllable` as spelled for comparison: lower case, new-style tone placement."""
    return modern_tones(unicodedata.normalize("NFC", syllable.lower()))
