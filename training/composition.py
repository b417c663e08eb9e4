"""The parts of a word piece: rare pieces learn through the parts that they share with frequent ones.

During training, the row of a piece is a sum of learnt parts: its own, that of its lower-cased form, and those of the
syllables of a compound. `Học_sinh`, `học_sinh` and `học` thus learn together. Afterwards the sums are folded into
one table without a cost at run time.
"""

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Any

import numpy as np
from scipy import sparse

from training.tokenizer import CONTINUES, SPECIAL_TOKENS


def composition(pieces: Sequence[str], *, shared: bool = True) -> Any:
    """Return a sparse float32 matrix (special tokens and `pieces`, parts); each row has length 1.

    Without `shared` a piece has only its own part.
    """
    columns: dict[tuple[str, str], int] = {}
    rows, parts, values = [], [], []
    for row in range(SPECIAL_TOKENS + len(pieces)):
        piece = pieces[row - SPECIAL_TOKENS] if row >= SPECIAL_TOKENS else f"<{row}>"
        own = dict.fromkeys(_parts(piece) if shared and row >= SPECIAL_TOKENS else [("own", piece)])
        for part in own:
            rows.append(row)
            parts.append(columns.setdefault(part, len(columns)))
            values.append(1 / sqrt(len(own)))
    shape = (SPECIAL_TOKENS + len(pieces), len(columns))
    return sparse.csr_array((np.array(values, np.float32), (rows, parts)), shape=shape)


def _parts(piece: str) -> Iterator[tuple[str, str]]:
    yield "own", piece
    yield "shared", piece.lower()
    syllables = [syllable for syllable in piece.removesuffix(CONTINUES).lower().split("_") if syllable]
    if len(syllables) > 1:
        last = CONTINUES if piece.endswith(CONTINUES) else ""
        yield from (("shared", syllable) for syllable in syllables[:-1])
        yield "shared", syllables[-1] + last
