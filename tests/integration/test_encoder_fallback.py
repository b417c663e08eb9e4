"""GPU first, CPU behind it, on the real server; a padded graph on ONNX Runtime replaces the GPU encoder."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import tritonclient.grpc.aio as triton

from cli.triton_launch import ADMIN_HEADER
from cli.triton_process import TritonProcess
from export.model_folder import ExportOptions
from export.repository import TEMPLATES, assemble_repository, read_config
from export.sources import Source
from phoserve.adapters.triton.embedder import TritonEmbedder
from phoserve.contract import CPU_ENCODER, GPU_ENCODER, load_contract
from tests.support.checkpoint import write_checkpoint
from tests.support.exporting import export_quickly
from tests.support.polling import eventually
from tests.support.triton import ADMIN_SECRET, running_triton

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS = 8
TEXTS = ["xin chào việt nam", "mật khẩu máy tính", "nghỉ phép " * 20]
ADMIN = {f"triton-grpc-protocol-{ADMIN_HEADER}": ADMIN_SECRET}
EXPLICIT = ("--model-control-mode=explicit", "--exit-on-error=false", "--strict-readiness=false")
PADDED_PYTHON = """
backend: "python"
max_batch_size: 0
input { name: "INPUT_IDS" data_type: TYPE_INT32 dims: [ -1, -1 ] }
output { name: "EMBEDDING" data_type: TYPE_FP32 dims: [ -1, 64 ] }
instance_group { kind: KIND_CPU count: 1 }
parameters { key: "threads" value { string_value: "1" } }
"""
# Killed from outside at any moment, a Python model may take the server with it (its queues are in memory they share:
# github.com/triton-inference-server/server/issues/8882), which no encoder of ONNX Runtime's or TensorRT's can.
MORTAL = '''

import os
import signal


class Mortal(TritonPythonModel):
    """Is killed in the middle of a request once there is a file "die" beside this one."""

    def execute(self, requests):
        if os.path.exists(os.path.join(os.path.dirname(__file__), "die")):
            self.pool.shutdown()  # nobody is in the memory shared with the server
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(requests)


TritonPythonModel = Mortal
'''


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_checkpoint(folder / "source")
    export_quickly(Source(folder / "source", "tiny"), folder / "model", ExportOptions(gpu=True))
    return folder / "model"


def assemble(model: Path, target: Path, *, stand_in: bool) -> None:
    """The gpu profile, its CPU encoder as in the local one: this server has only the Python backend."""
    assemble_repository(model, target, profile="gpu", cpu_precision="fp32")
    cpu = target / CPU_ENCODER
    shutil.copy(cpu / "configs" / "local.pbtxt", cpu / "configs" / "gpu.pbtxt")
    script = TEMPLATES / "cpu_encoder" / "model.py"
    shutil.copy(script, cpu / "1")
    if stand_in:
        gpu = target / GPU_ENCODER
        (gpu / "configs" / "gpu.pbtxt").write_text(PADDED_PYTHON)
        (gpu / "1" / "model.onnx").unlink()
        shutil.copy(model / "onnx" / "plain.onnx", gpu / "1" / "model.onnx")
        (gpu / "1" / "model.py").write_text(script.read_text() + MORTAL)


@pytest.fixture(scope="module")
def repository(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("triton") / "repository"
    assemble(model, target, stand_in=True)
    return target


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(repository: Path) -> AsyncIterator[TritonProcess]:
    extra = (*EXPLICIT, "--load-model=*")
    async with running_triton(repository, repository.parent, profile="gpu", extra=extra) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedder(model: Path, server: TritonProcess) -> AsyncIterator[TritonEmbedder]:
    embedder = TritonEmbedder(server.ports.grpc_url, load_contract(model))
    yield embedder
    await embedder.close()


async def served_by(embedder: TritonEmbedder) -> str:
    return (await embedder.embed(TEXTS[:1])).served_by


async def test_the_gpu_encoder_serves_while_it_is_there(embedder: TritonEmbedder) -> None:
    assert await served_by(embedder) == GPU_ENCODER


async def test_unloading_the_gpu_encoder_under_load_loses_nothing_and_it_serves_again_when_it_returns(
    server: TritonProcess, embedder: TritonEmbedder
) -> None:
    expected = (await embedder.embed(TEXTS)).vectors
    seen: list[str] = []
    stop = asyncio.Event()

    async def client() -> int:
        answered = 0
        while not stop.is_set():
            answer = await embedder.embed(TEXTS)
            np.testing.assert_allclose(answer.vectors, expected, atol=1e-4)
            seen.append(answer.served_by)
            answered += 1
        return answered

    async with triton.InferenceServerClient(server.ports.grpc_url) as admin, asyncio.TaskGroup() as group:
        clients = [group.create_task(client()) for _ in range(CLIENTS)]
        await eventually(lambda: len(seen) >= CLIENTS)
        await admin.unload_model(GPU_ENCODER, headers=ADMIN)
        await eventually(lambda: seen[-CLIENTS:] == [CPU_ENCODER] * CLIENTS)
        await admin.load_model(GPU_ENCODER, headers=ADMIN)
        await eventually(lambda: seen[-CLIENTS:] == [GPU_ENCODER] * CLIENTS, timeout_s=60)
        stop.set()
    assert all(task.result() > 0 for task in clients)


async def test_killing_the_gpu_encoder_under_load_loses_nothing_and_it_serves_again_when_it_returns(
    server: TritonProcess, repository: Path, embedder: TritonEmbedder
) -> None:
    expected = (await embedder.embed(TEXTS)).vectors
    seen: list[str] = []
    die = repository / GPU_ENCODER / "1" / "die"
    stop = asyncio.Event()

    async def client() -> None:
        while not stop.is_set():
            answer = await embedder.embed(TEXTS)
            np.testing.assert_allclose(answer.vectors, expected, atol=1e-4)
            seen.append(answer.served_by)

    async with triton.InferenceServerClient(server.ports.grpc_url) as admin, asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client())
        await eventually(lambda: len(seen) >= CLIENTS and seen[-1] == GPU_ENCODER)
        die.touch()
        await eventually(lambda: seen[-CLIENTS:] == [CPU_ENCODER] * CLIENTS, timeout_s=60)
        die.unlink()
        # Triton 24.10 leaves a dead Python model dead until it is loaded again.
        await admin.unload_model(GPU_ENCODER, headers=ADMIN)
        await admin.load_model(GPU_ENCODER, headers=ADMIN)
        await eventually(lambda: seen[-CLIENTS:] == [GPU_ENCODER] * CLIENTS, timeout_s=90)
        stop.set()


async def test_without_a_gpu_the_gpu_profile_answers_from_the_cpu(model: Path, tmp_path: Path) -> None:
    assemble(model, tmp_path / "repository", stand_in=False)
    assert read_config(tmp_path / "repository" / GPU_ENCODER / "configs" / "gpu.pbtxt").backend == "onnxruntime"
    extra = ("--exit-on-error=false", "--strict-readiness=false")
    async with running_triton(tmp_path / "repository", tmp_path, profile="gpu", extra=extra) as process:
        embedder = TritonEmbedder(process.ports.grpc_url, load_contract(model))
        await eventually(embedder.is_ready)
        answers = [await embedder.embed(TEXTS) for _ in range(5)]
        await embedder.close()
    assert {answer.served_by for answer in answers} == {CPU_ENCODER}
