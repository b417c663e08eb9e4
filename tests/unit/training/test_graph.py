from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from phoserve.contract import EMBEDDING, INPUT_IDS, LENGTHS, Layout
from training.bundle import with_special_rows
from training.graph import quantise_rows, write_static_graph

VOCABULARY, DIM = 50, 16
TABLE = np.random.default_rng(0).normal(size=(VOCABULARY, DIM)).astype(np.float32)
TEXTS = [[0, 7, 7, 7, 9, 2], [0, 2], [0, 5, 2], [0, 3, 2], [0, *range(4, 40), 2], [0, VOCABULARY, 2]]


def expected(table: NDArray[np.float32], text: list[int]) -> NDArray[np.float32]:
    tokens, counts = np.unique(text, return_counts=True)
    pooled = (table[tokens] * np.sqrt(counts)[:, None]).sum(axis=0)
    unit: NDArray[np.float32] = pooled / np.linalg.norm(pooled)
    return unit


def run(path: Path, texts: list[list[int]], layout: Layout) -> NDArray[np.float32]:
    session = ort.InferenceSession(path)
    if layout == "packed":
        flat = np.array([token for text in texts for token in text], np.int32)
        feed = {INPUT_IDS: flat, LENGTHS: np.array([len(text) for text in texts], np.int32)}
    else:
        longest = max(map(len, texts))
        feed = {INPUT_IDS: np.array([text + [1] * (longest - len(text)) for text in texts], np.int32)}
    vectors: NDArray[np.float32] = session.run([EMBEDDING], feed)[0]
    return vectors


@pytest.mark.parametrize("layout", ["packed", "padded"])
@pytest.mark.parametrize("int8", [False, True])
def test_the_graph_pools_as_the_formula_says(tmp_path: Path, layout: Layout, int8: bool) -> None:
    rows = with_special_rows(TABLE)
    write_static_graph(tmp_path / "m.onnx", rows, layout=layout, int8=int8)
    vectors = run(tmp_path / "m.onnx", TEXTS, layout)
    reference = np.stack([expected(rows, text) for text in TEXTS])
    assert vectors == pytest.approx(reference, abs=5e-3 if int8 else 1e-6)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-6)


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_a_text_alone_and_among_others_has_the_same_vector_to_the_bit(tmp_path: Path, layout: Layout) -> None:
    write_static_graph(tmp_path / "m.onnx", with_special_rows(TABLE), layout=layout, int8=True)
    together = run(tmp_path / "m.onnx", TEXTS, layout)
    alone = np.concatenate([run(tmp_path / "m.onnx", [text], layout) for text in TEXTS])
    assert np.array_equal(together, alone)


def test_texts_without_known_words_share_one_finite_vector(tmp_path: Path) -> None:
    write_static_graph(tmp_path / "m.onnx", with_special_rows(TABLE), int8=True)
    empty, unknown, masked = run(tmp_path / "m.onnx", [[0, 2], [0, 3, 3, 2], [0, VOCABULARY, 2]], "packed")
    assert np.isfinite(empty).all()
    assert np.array_equal(empty, unknown)
    assert np.array_equal(empty, masked)


def test_quantised_rows_are_within_half_a_step() -> None:
    integers, scales = quantise_rows(TABLE)
    assert integers.dtype == np.int8
    assert np.abs(integers * scales[:, None] - TABLE).max() <= scales.max() / 2 + 1e-7
