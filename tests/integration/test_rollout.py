"""A model update on the real server under load: no request is lost, no vectors mix, a bad version changes nothing."""

import asyncio
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tritonclient.grpc as triton

from cli.triton_launch import ADMIN_HEADER
from cli.triton_process import TritonProcess
from export.repository import assemble_repository
from export.rollout import Rollout
from phoserve.adapters.triton.embedder import TritonEmbedder
from phoserve.contract import PUBLIC_MODEL, load_contract, save_contract
from phoserve.errors import ConfigurationError
from phoserve.serving.encoders import Vectors
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline
from tests.support.model_folder import write_model_folder
from tests.support.triton import ADMIN_SECRET, running_triton

TEXT = "xin chào việt nam"
HEADERS = {f"triton-grpc-protocol-{ADMIN_HEADER}": ADMIN_SECRET}
EXPLICIT = ("--model-control-mode=explicit", "--load-model=*")
CLIENTS = 8


def vector_of(model: Path) -> Vectors:
    tokens = TextPipeline.load(model).encode([TEXT])
    encoder = OnnxEncoder(model / "onnx" / "fp32.onnx", threads=1)
    vector: Vectors = encoder.encode(tokens.ids, np.array([len(tokens.ids)], np.int32))[0]
    return vector


def roll_out(model: Path, repository: Path, server: TritonProcess) -> int:
    with triton.InferenceServerClient(server.ports.grpc_url) as client:
        return Rollout(model, repository, "local", client, headers=HEADERS).run()


@pytest.fixture
def models(tmp_path: Path) -> tuple[Path, Path]:
    """Two versions of a model by their contracts. Their vectors differ, so that the test can distinguish them."""
    one = write_model_folder(tmp_path / "one", seed=1)
    two = write_model_folder(tmp_path / "two", seed=2)
    save_contract(msgspec.structs.replace(two, weights_sha256=one.weights_sha256), tmp_path / "two")
    return tmp_path / "one", tmp_path / "two"


async def test_a_rollout_loses_no_request_and_mixes_no_vectors(models: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = models
    repository = tmp_path / "repository"
    assemble_repository(old, repository, profile="local")
    async with running_triton(repository, tmp_path, extra=EXPLICIT) as server:
        embedder = TritonEmbedder(server.ports.grpc_url, load_contract(old))
        stop = asyncio.Event()
        seen: list[int] = []

        async def client() -> None:
            while not stop.is_set():
                vector = (await embedder.embed([TEXT])).vectors[0]
                seen.append([np.allclose(vector, known, atol=1e-5) for known in (vector_old, vector_new)].index(True))

        vector_old, vector_new = vector_of(old), vector_of(new)
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(client())
            assert await asyncio.to_thread(roll_out, new, repository, server) == 2
            stop.set()
        np.testing.assert_allclose((await embedder.embed([TEXT])).vectors[0], vector_new, atol=1e-5)
        await embedder.close()
    assert seen[0] == 0
    assert seen[-1] == 1
    assert not (repository / PUBLIC_MODEL / "1").exists()


async def test_a_version_with_other_vectors_is_taken_back(models: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = models
    repository = tmp_path / "repository"
    assemble_repository(old, repository, profile="local")
    broken = tmp_path / "broken"
    shutil.copytree(new, broken)
    async with running_triton(repository, tmp_path, extra=EXPLICIT) as server:
        # Its int8 graph, which would be served, is another model's.
        shutil.copy(old / "onnx" / "fp32.onnx", broken / "onnx" / "int8.onnx")
        contract = (broken / "contract.json").read_text()
        (broken / "contract.json").write_text(contract.replace('"fp32"', '"fp32", "int8"'))
        with pytest.raises(ConfigurationError, match="returns other vectors than the model"):
            await asyncio.to_thread(roll_out, broken, repository, server)
        embedder = TritonEmbedder(server.ports.grpc_url, load_contract(old))
        np.testing.assert_allclose((await embedder.embed([TEXT])).vectors[0], vector_of(old), atol=1e-5)
        await embedder.close()
    assert not (repository / PUBLIC_MODEL / "2").exists()
