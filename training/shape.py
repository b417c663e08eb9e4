"""Post-processing of a table: whiten it, adjust the lengths of its rows, and ignore punctuation."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from export.graph import Array

# Chosen on vicov19qa's validation split. 0 changes nothing, 1 whitens completely.
WHITENING: Final = 1.0
# Exponent of the length of each row. Below 1, frequent words gain weight.
LENGTH_POWER: Final = 0.7
FREQUENT: Final = 20_000


def whiten_table(table: Array, *, whitening: float = WHITENING, length_power: float = LENGTH_POWER) -> Array:
    """Whiten `table`, float32 (vocabulary, dim), by its most frequent rows, and raise row lengths to `length_power`."""
    _, widths, directions = np.linalg.svd(table[4:FREQUENT], full_matrices=False)
    turned = (table @ directions.T) * (widths / widths.mean()) ** -whitening
    lengths = np.linalg.norm(turned, axis=1, keepdims=True)
    shaped: Array = (turned * np.maximum(lengths, 1e-9) ** (length_power - 1)).astype(np.float32)
    return shaped


def mute_punctuation(table: Array, pieces: Sequence[str]) -> Array:
    """Return `table` with zero rows for pieces without a letter or digit. The first four rows are special."""
    marks = [row for row, piece in enumerate(pieces, len(table) - len(pieces)) if not any(map(str.isalnum, piece))]
    quiet = table.copy()
    quiet[marks] = 0
    return quiet
