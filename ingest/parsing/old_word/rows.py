"""The cells of a row of a .doc table: where they end, and which of them are merged (MS-DOC 2.9.323 and 2.9.327)."""

import struct
from typing import Final

from ingest.parsing.old_word.binary import TABLE_SHAPE, Properties
from ingest.parsing.rich_text.tables import CellShape, RowShape

_HEADER: Final = 0x3404
_CELL_BYTES: Final = 20
_MERGED_LEFT, _MERGED_ABOVE, _FIRST_OF_COLUMN = 0x02, 0x20, 0x40
_POSITIVE: Final = 0x8000
"""Added to places, which may be left of the margin."""


def row_shape(properties: Properties) -> RowShape:
    """Return the cells that the end of a row defines; none if it defines none, or they are damaged."""
    shape = RowShape(is_header=properties.get(_HEADER, 0) == 1)
    number = properties.get(TABLE_SHAPE, 0)
    raw = number.to_bytes((number.bit_length() + 7) // 8, "little")
    count = raw[0] if raw else 0
    raw = raw.ljust(1 + 2 * (count + 1) + _CELL_BYTES * count, b"\0")  # zeros at the end are not part of the number
    for cell in range(count):
        right = struct.unpack_from("<h", raw, 1 + 2 * (cell + 1))[0] + _POSITIVE
        flags = struct.unpack_from("<H", raw, 1 + 2 * (count + 1) + _CELL_BYTES * cell)[0]
        is_below = bool(flags & _MERGED_ABOVE) and not flags & _FIRST_OF_COLUMN
        shape.cells.append(CellShape(right, continues_above=is_below, continues_left=bool(flags & _MERGED_LEFT)))
    return shape
