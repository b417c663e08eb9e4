"""The real Triton server as a child process: started, watched, restarted, never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc.aio as triton_grpc
from tritonclient.utils import InferenceServerException

from cli.triton_process import (
    SHARED_MEMORY,
    TritonInstallation,
    TritonOptions,
    TritonPorts,
    TritonProcess,
    TritonSupervisor,
)
from phoserve.adapters.triton.embedder import key_headers
from phoserve.errors import ConfigurationError
from tests.support.polling import eventually
from tests.support.processes import command_lines

ECHO_CONFIG = """
backend: "python"
max_batch_size: 8
input { name: "TEXT" data_type: TYPE_STRING dims: 1 }
output { name: "ECHO" data_type: TYPE_STRING dims: 1 }
"""
ECHO_MODEL = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("ECHO", pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy())]
            )
            for request in requests
        ]
"""
ECHO_REQUEST = {"inputs": [{"name": "TEXT", "shape": [1, 1], "datatype": "BYTES", "data": ["chào"]}]}


@pytest.fixture
def options(tmp_path: Path) -> TritonOptions:
    model = tmp_path / "repository" / "echo"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text(ECHO_CONFIG)
    (model / "1" / "model.py").write_text(ECHO_MODEL)
    work = tmp_path / "work"
    work.mkdir()
    return TritonOptions(repository=model.parent, profile="local", work=work, admin_secret="s3cret")


@pytest.fixture
async def server(options: TritonOptions) -> AsyncIterator[TritonProcess]:
    process = TritonProcess(TritonInstallation.find(), options, TritonPorts.free())
    await process.start()
    await process.wait_ready()
    yield process
    await process.stop()


async def echo(server: TritonProcess) -> str:
    async with httpx.AsyncClient(base_url=server.ports.http_url) as http:
        response = await http.post("/v2/models/echo/infer", json=ECHO_REQUEST)
    text: str = response.raise_for_status().json()["outputs"][0]["data"][0]
    return text


async def test_it_serves_texts(server: TritonProcess) -> None:
    assert await echo(server) == "chào"


async def test_model_control_needs_the_secret(server: TritonProcess) -> None:
    async with httpx.AsyncClient(base_url=server.ports.http_url) as http:
        refused = await http.post("/v2/repository/index")
        allowed = await http.post("/v2/repository/index", headers={"phoserve-admin": "s3cret"})
    assert refused.status_code == 403
    assert allowed.json()[0]["name"] == "echo"


@pytest.fixture
async def guarded(options: TritonOptions) -> AsyncIterator[TritonProcess]:
    """A server that requires a key."""
    process = TritonProcess(TritonInstallation.find(), replace(options, api_key="k3y-of-teams"), TritonPorts.free())
    await process.start()
    await process.wait_ready()
    yield process
    await process.stop()


GUARDED = [
    ("POST", "/v2/models/echo/infer"),
    ("GET", "/v2/models/echo/config"),
    ("GET", "/v2/models/echo/stats"),
    ("GET", "/v2/models/stats"),
]
REFUSED_KEYS: list[dict[str, str]] = [
    {},
    {"phoserve-key": ""},
    {"phoserve-key": "HIDDEN"},
    {"phoserve-key": "k3y"},
    {"phoserve-admin": "k3y-of-teams"},
]


async def test_inference_statistics_and_configurations_need_the_key(guarded: TritonProcess) -> None:
    async with httpx.AsyncClient(base_url=guarded.ports.http_url) as http:
        for method, path in GUARDED:
            body = ECHO_REQUEST if method == "POST" else None
            for headers in REFUSED_KEYS:
                assert (await http.request(method, path, json=body, headers=headers)).status_code == 403, (
                    path,
                    headers,
                )
            allowed = await http.request(method, path, json=body, headers={"phoserve-key": "k3y-of-teams"})
            assert allowed.status_code == 200, path
        refused = await http.post("/v2/repository/index", headers={"phoserve-key": "k3y-of-teams"})
        assert refused.status_code == 403, "the key of other teams does not control models"
        assert (await http.get("/v2/health/ready")).status_code == 200


async def test_grpc_needs_the_same_key(guarded: TritonProcess) -> None:
    text = triton_grpc.InferInput("TEXT", [1, 1], "BYTES")
    text.set_data_from_numpy(np.array([[b"ch"]], object))
    async with triton_grpc.InferenceServerClient(guarded.ports.grpc_url) as client:
        calls: list[Callable[[dict[str, str]], Awaitable[Any]]] = [
            lambda headers: client.infer("echo", [text], headers=headers),
            lambda headers: client.get_model_config("echo", headers=headers),
            lambda headers: client.get_inference_statistics("echo", headers=headers),
        ]
        for call in calls:
            for headers in ({}, key_headers("HIDDEN"), key_headers("k3y")):
                with pytest.raises(InferenceServerException, match="restricted"):
                    await call(headers)
            assert await call(key_headers("k3y-of-teams"))
        assert await client.is_server_ready()


async def test_no_secret_is_on_a_command_line(guarded: TritonProcess) -> None:
    words = [word for _, command in command_lines() for word in command]
    assert any("phoserve-key=HIDDEN" in word for word in words), "the server's command line is among them"
    assert not [word for word in words if "s3cret" in word or "k3y-of-teams" in word]


async def test_a_killed_server_comes_back(server: TritonProcess) -> None:
    watch = asyncio.create_task(TritonSupervisor(server).run())
    killed = server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await eventually(lambda: server.pid not in (None, killed))
    await server.wait_ready()
    assert await echo(server) == "chào"
    watch.cancel()


async def test_other_users_do_not_read_the_texts_in_shared_memory(server: TritonProcess) -> None:
    regions = list(server._regions())
    assert regions
    assert [oct(each.stat().st_mode & 0o777) for each in regions] == ["0o600"] * len(regions)
    regions[0].chmod(0o644)  # as a restarted model has it
    await eventually(lambda: regions[0].stat().st_mode & 0o077 == 0, timeout_s=5)


async def test_stopping_leaves_no_shared_memory(options: TritonOptions) -> None:
    process = TritonProcess(TritonInstallation.find(), options, TritonPorts.free())
    await process.start()
    await process.wait_ready()
    regions = f"phoserve-*-{options.work.stat().st_ino:x}-*"
    assert list(SHARED_MEMORY.glob(regions))
    await process.stop()
    assert process.pid is None
    assert not list(SHARED_MEMORY.glob(regions))


async def test_a_broken_model_is_named(options: TritonOptions) -> None:
    (options.repository / "echo" / "config.pbtxt").write_text(ECHO_CONFIG + "no_such_field: 1\n")
    process = TritonProcess(TritonInstallation.find(), options, TritonPorts.free())
    await process.start()
    with pytest.raises(ConfigurationError, match="no_such_field"):
        await process.wait_ready()
    await process.stop()


async def test_it_dies_with_a_killed_parent(options: TritonOptions) -> None:
    script = textwrap.dedent(f"""
        import asyncio
        from pathlib import Path
        from cli.triton_process import SHARED_MEMORY, TritonInstallation, TritonOptions, TritonPorts, TritonProcess
        async def main():
            options = TritonOptions(Path({str(options.repository)!r}), "local", Path({str(options.work)!r}), "s")
            process = TritonProcess(TritonInstallation.find(), options, TritonPorts.free())
            await process.start()
            await process.wait_ready()
            print("ready", flush=True)
            await asyncio.sleep(600)
        asyncio.run(main())
    """)
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert await parent.stdout.readline() == b"ready\n"
    assert len(processes_naming(options)) >= 2, "the server and its stub"
    parent.kill()
    await parent.wait()
    await eventually(lambda: not processes_naming(options), timeout_s=20)


def processes_naming(options: TritonOptions) -> list[int]:
    """The processes whose command line names this test's folder or shared memory."""
    needles = (str(options.work), str(options.repository))
    return [
        pid
        for pid, command in command_lines()
        if pid != os.getpid()
        and command[1:2] != ["-c"]
        and any(needle in word for needle in needles for word in command)
    ]
