"""pyvi's word segmenter as data: the weights of its CRF and its word list (made by `python -m export.segmenter`)."""

import lzma
from pathlib import Path
from typing import Final

import msgspec

MODEL_PATH: Final = Path(__file__).parent / "data" / "pyvi-0.1.1.msgpack.xz"


class SegmenterModel(msgspec.Struct, frozen=True):
    """A linear-chain CRF with the labels B (a syllable that begins a word) and I (one inside a word)."""

    states: dict[str, tuple[float, float]]
    """Attribute (as CRFsuite names it) -> weights of B and I."""
    transitions: tuple[tuple[float, float], tuple[float, float]]
    """Weights [from][to]."""
    words: list[str]
    """Lower-case words of two or three syllables, single spaces between."""


def load_segmenter_model(path: Path = MODEL_PATH) -> SegmenterModel:
    """Read the model from `path`."""
    return msgspec.msgpack.decode(lzma.decompress(path.read_bytes()), type=SegmenterModel)


def save_segmenter_model(model: SegmenterModel, path: Path) -> None:
    """Write `model` to `path`; the same model gives the same bytes."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(lzma.compress(msgspec.msgpack.encode(model), preset=9 | lzma.PRESET_EXTREME))
