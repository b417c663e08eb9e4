"""Exported graphs on ONNX Runtime 1.19, the one inside Triton 24.10: they load there and give the same vectors."""

import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

import export.bundled
from export.model_folder import ExportOptions
from export.parity import cosine, parity_texts, tokenize_texts
from export.sources import Source
from phoserve.serving.encoders import padded
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline
from tests.support.checkpoint import write_checkpoint
from tests.support.exporting import export_quickly
from tests.support.patience import patient

OLD = "onnxruntime==1.19.2"
RUN = """
import sys, numpy as np, onnxruntime as ort
graph, tensors, output = sys.argv[1:]
session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
np.save(output, session.run(["EMBEDDING"], dict(np.load(tensors)))[0])
"""


@pytest.fixture(scope="module")
def old_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", OLD, "numpy<2"], check=True, timeout=patient(280))
    return python


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_checkpoint(folder / "source")
    export_quickly(Source(folder / "source", "tiny"), folder / "model", ExportOptions(gpu=True))
    return folder / "model"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fp32", "int8", "plain", "fp16"])
def test_the_old_runtime_gives_the_same_vectors(old_python: Path, model: Path, tmp_path: Path, name: str) -> None:
    worst = compare(old_python, model, name, tmp_path)
    assert worst >= (0.99999 if name != "fp16" else 0.9999), f"{name} under {OLD}, {sys.version_info}: {worst}"


@pytest.mark.slow
def test_the_old_runtime_runs_the_bundled_encoder(old_python: Path, tmp_path: Path) -> None:
    assert compare(old_python, Path(export.bundled.__path__[0]), "int8", tmp_path) >= 0.99999


def compare(old_python: Path, model: Path, name: str, folder: Path) -> float:
    """The lowest cosine between a text's vectors under the old runtime and under this one."""
    encoder = OnnxEncoder(model / "onnx" / f"{name}.onnx")
    texts = tokenize_texts(TextPipeline.load(model), parity_texts(24))
    ids, lengths = np.concatenate(texts), np.array([len(text) for text in texts], np.int32)
    if encoder.layout == "packed":
        tensors = {"INPUT_IDS": ids, "LENGTHS": lengths}
    else:
        tensors = {"INPUT_IDS": padded(ids, lengths)}
    np.savez(folder / "tensors.npz", **tensors)
    output = folder / "vectors.npy"
    arguments = [str(model / "onnx" / f"{name}.onnx"), str(folder / "tensors.npz"), str(output)]
    subprocess.run([old_python, "-c", RUN, *arguments], check=True, timeout=patient(60))
    return float(cosine(np.load(output), encoder.encode(ids, lengths)).min())
