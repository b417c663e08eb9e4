"""What an old Office file is by its streams; its name may be that of another program."""

from pathlib import Path
from typing import Final

import olefile

from ingest.parsing.faults import Unreadable
from ingest.parsing.limits import MIB
from ingest.parsing.media import DOC, OUTLOOK, PPT, XLS

_TYPES: Final = {
    "WordDocument": DOC,
    "Workbook": XLS,
    "Book": XLS,
    "PowerPoint Document": PPT,
    "__properties_version1.0": OUTLOOK,
}
MAX_MISSING_BYTES: Final = 16 * MIB
"""What may be cut off at the end of a file whose beginning is read."""
OLD_OFFICE: Final = frozenset(_TYPES.values())


def compound_type(path: Path, stated: str) -> str:
    """Return the type of the Office file at `path`, or `stated` if it is damaged or has streams of several.

    Raises Unreadable for a stream that is far longer than the file: a chain of sectors that is a loop would be read
    until the memory is full.
    """
    try:
        with olefile.OleFileIO(str(path)) as compound:
            found = {kind for name, kind in _TYPES.items() if compound.exists(name)}
            longest = max((entry.size for entry in compound.direntries if entry is not None), default=0)
    except MemoryError:
        raise
    except Exception:  # damaged, or no such file at all
        return stated
    if longest > path.stat().st_size + MAX_MISSING_BYTES:
        raise Unreadable("the file is damaged: it has a part that is longer than the whole file")
    return stated if stated in found or len(found) != 1 else found.pop()
