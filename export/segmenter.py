"""Convert pyvi's word segmenter to the data file that `phoserve.text` ships.

Run `python -m export.segmenter` where pyvi is installed (the `dev` extra) to write the file again. pyvi's pickle is
searched for the CRFsuite model inside it and is never unpickled. The model's binary form holds its weights as doubles;
CRFsuite's own text dump would round them to six decimals.
"""

import pickletools
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from phoserve.errors import ConfigurationError
from phoserve.text.segmenter_model import MODEL_PATH, SegmenterModel, save_segmenter_model

Pair = tuple[float, float]

LABELS: Final = ("B_W", "I_W")
STATE_FEATURE: Final = 0

# CRFsuite's file: https://www.chokkan.org/software/crfsuite/manual.html; structures in lib/crf/src/crf1d_model.c
# and lib/cqdb/src/cqdb.c. Little-endian throughout.
HEADER: Final = struct.Struct("<4sI4sIIII5I")
FEATURES_HEADER: Final = struct.Struct("<4sII")
FEATURE: Final = struct.Struct("<IIId")
STRINGS_HEADER: Final = struct.Struct("<4sIIIII")
STRING_HEADER: Final = struct.Struct("<II")


def read_pyvi(folder: Path) -> SegmenterModel:
    """Return the segmenter of the pyvi package in `folder`: CRF weights at full precision, and its word list."""
    states, transitions = read_crfsuite(_crfsuite_bytes(folder / "models" / "pyvi3.pkl"))
    entries = (folder / "models" / "words.txt").read_text(encoding="utf-8").split("\n")
    words = sorted({entry for entry in entries if len(entry.split(" ")) in (2, 3)})
    return SegmenterModel(states=states, transitions=transitions, words=words)


def read_crfsuite(blob: bytes) -> tuple[dict[str, Pair], tuple[Pair, Pair]]:
    """Return a two-label model's state weights by attribute and its transitions [from][to], both in LABELS' order."""
    magic, _, _, _, _, _, _, features_at, labels_at, attributes_at, _, _ = HEADER.unpack_from(blob)
    if magic != b"lCRF":
        raise ConfigurationError("not a CRFsuite model: pyvi's file has changed; adapt export/segmenter.py")
    label_of = [LABELS.index(name) for name in _strings(blob, labels_at)]
    attributes = _strings(blob, attributes_at)
    states = {name: [0.0, 0.0] for name in attributes}
    transitions = [[0.0, 0.0], [0.0, 0.0]]
    _, _, count = FEATURES_HEADER.unpack_from(blob, features_at)
    start = features_at + FEATURES_HEADER.size
    for kind, source, label, weight in FEATURE.iter_unpack(blob[start : start + count * FEATURE.size]):
        if kind == STATE_FEATURE:
            states[attributes[source]][label_of[label]] = weight
        else:
            transitions[label_of[source]][label_of[label]] = weight
    return (
        {name: (weights[0], weights[1]) for name, weights in states.items()},
        ((transitions[0][0], transitions[0][1]), (transitions[1][0], transitions[1][1])),
    )


def _crfsuite_bytes(pickle_file: Path) -> bytes:
    # Protocol 2 stores bytes as latin-1 text. The model begins with CRFsuite's magic.
    for _, argument, _ in pickletools.genops(pickle_file.read_bytes()):
        if isinstance(argument, str) and argument.startswith("lCRF"):
            return argument.encode("latin-1")
    raise ConfigurationError(f"{pickle_file} holds no CRFsuite model; adapt export/segmenter.py")


def _strings(blob: bytes, at: int) -> list[str]:
    """Return the strings of the CQDB database at `at`, by their ids."""
    _, _, _, _, count, ids_at = STRINGS_HEADER.unpack_from(blob, at)
    strings = []
    for (record_at,) in struct.iter_unpack("<I", blob[at + ids_at : at + ids_at + 4 * count]):
        _, size = STRING_HEADER.unpack_from(blob, at + record_at)
        start = at + record_at + STRING_HEADER.size
        strings.append(blob[start : start + size - 1].decode("utf-8"))  # the last byte is C's NUL
    return strings


def find_pyvi() -> Path:
    """Return the folder of the installed pyvi without importing it."""
    spec = find_spec("pyvi")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("pyvi is not installed; run: pip install 'phoserve[dev]'")
    return Path(spec.submodule_search_locations[0])


if __name__ == "__main__":
    save_segmenter_model(read_pyvi(find_pyvi()), MODEL_PATH)
