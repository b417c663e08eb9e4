"""Calls of one graph side by side: the same vectors as one after another."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from phoserve.contract import INPUT_IDS, LENGTHS
from phoserve.serving.encoders import Ids
from phoserve.serving.onnx import ConcurrentOnnxEncoder, OnnxEncoder
from tests.support.model_folder import write_model_folder


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_model_folder(folder)
    return folder / "onnx" / "fp32.onnx"


def calls(count: int) -> list[dict[str, Ids]]:
    """Some of one text, some of several."""
    random = np.random.default_rng(0)
    texts = [random.integers(4, 150, size=length).astype(np.int32) for length in random.integers(3, 200, size=count)]
    cuts = np.array_split(np.arange(count), count // 3)
    return [
        {
            INPUT_IDS: np.concatenate([texts[index] for index in cut]),
            LENGTHS: np.array([len(texts[index]) for index in cut], np.int32),
        }
        for cut in [*cuts, *([index] for index in range(count))]
    ]


@pytest.mark.parametrize(("max_concurrent_calls", "threads"), [(1, 0), (2, 0), (4, 0), (2, 1)])
def test_calls_side_by_side_give_the_vectors_of_calls_alone(
    graph: Path, max_concurrent_calls: int, threads: int
) -> None:
    alone, encoder = (
        OnnxEncoder(graph, threads=1),
        ConcurrentOnnxEncoder(graph, max_concurrent_calls=max_concurrent_calls, threads=threads),
    )
    given = calls(60)
    with ThreadPoolExecutor(max(2, max_concurrent_calls)) as pool:
        found = list(pool.map(encoder.run, given))
    for call, vectors in zip(given, found, strict=True):
        np.testing.assert_allclose(vectors, alone.run(call), atol=1e-5)
