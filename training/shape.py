"""After training: even out the directions and lengths of a table, and let only words count."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from export.graph import Array

# Chosen on vicov19qa's validation split. 0 leaves the directions as they are, 1 makes all equally wide.
WHITENING: Final = 1.0
# Of the length of each row: below 1, frequent words count for more than training made them.
LENGTH_POWER: Final = 0.7
FREQUENT: Final = 20_000


def evened(table: Array, *, whitening: float = WHITENING, length_power: float = LENGTH_POWER) -> Array:
    """`table`, float32 (vocabulary, dim), partly whitened over its most frequent rows, lengths pulled together."""
    _, widths, directions = np.linalg.svd(table[4:FREQUENT], full_matrices=False)
    turned = (table @ directions.T) * (widths / widths.mean()) ** -whitening
    lengths = np.linalg.norm(turned, axis=1, keepdims=True)
    shaped: Array = (turned * np.maximum(lengths, 1e-9) ** (length_power - 1)).astype(np.float32)
    return shaped


def silenced(table: Array, pieces: Sequence[str]) -> Array:
    """`table` with nothing for the pieces, after its four special rows, that hold neither letter nor digit."""
    marks = [row for row, piece in enumerate(pieces, len(table) - len(pieces)) if not any(map(str.isalnum, piece))]
    quiet = table.copy()
    quiet[marks] = 0
    return quiet
