"""What an old Office file is by its streams; its name may be that of another program."""

from pathlib import Path
from typing import Final

import olefile

from ingest.parsing.media import DOC, OUTLOOK, PPT, XLS

_TYPES: Final = {
    "WordDocument": DOC,
    "Workbook": XLS,
    "Book": XLS,
    "PowerPoint Document": PPT,
    "__properties_version1.0": OUTLOOK,
}
OLD_OFFICE: Final = frozenset(_TYPES.values())


def compound_type(path: Path, stated: str) -> str:
    """Return the type of the Office file at `path`, or `stated` if it is damaged or has streams of several."""
    try:
        with olefile.OleFileIO(str(path)) as compound:
            found = {kind for name, kind in _TYPES.items() if compound.exists(name)}
    except MemoryError:
        raise
    except Exception:  # damaged, or no such file at all
        return stated
    return stated if stated in found or len(found) != 1 else found.pop()
