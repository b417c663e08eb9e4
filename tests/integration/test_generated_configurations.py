"""Repositories assembled for every profile, and for models of unusual lengths, on the real server."""

from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc.aio as triton

from export.repository import GPU_WEIGHTS, assemble_repository
from export.triton_config import PROFILES, Profile
from phoserve.adapters.triton.embedder import TritonEmbedder
from phoserve.contract import CPU_ENCODER, GPU_ENCODER, PUBLIC_MODEL, load_contract
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline
from tests.support.model_folder import write_model_folder
from tests.support.triton import ADMIN_SECRET, running_triton

ADMIN = {"triton-grpc-protocol-phoserve-admin": ADMIN_SECRET}
# The server from PyPI has no other backend than Python: this is as far as these get once their configuration is valid.
NO_BACKEND = "unable to find backend library"
EXTRA = ("--exit-on-error=false", "--strict-readiness=false")


@pytest.mark.parametrize("profile", PROFILES)
async def test_the_server_accepts_every_configuration(tmp_path: Path, profile: Profile) -> None:
    write_model_folder(tmp_path / "model")
    for weights in GPU_WEIGHTS.values():
        path = tmp_path / "model" / weights
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"weights")
    assemble_repository(tmp_path / "model", tmp_path / "repository", profile=profile)
    async with running_triton(tmp_path / "repository", tmp_path, profile=profile, extra=EXTRA) as process:
        client = triton.InferenceServerClient(process.ports.grpc_url)
        try:
            index = await client.get_model_repository_index(headers=ADMIN, as_json=True)
        finally:
            await client.close()
    states = {model["name"]: (model.get("state"), model.get("reason", "")) for model in index["models"]}
    expected = {PUBLIC_MODEL, CPU_ENCODER} | ({GPU_ENCODER} if profile in GPU_WEIGHTS else set())
    assert set(states) == expected
    for name, (state, reason) in states.items():
        if name == PUBLIC_MODEL or profile == "local":
            assert state == "READY", (name, reason)
        else:
            assert NO_BACKEND in reason or "GPU" in reason, (name, state, reason)


@pytest.mark.parametrize("max_tokens", [16, 128, 130])
async def test_a_model_with_fewer_positions_is_served(tmp_path: Path, max_tokens: int) -> None:
    write_model_folder(tmp_path / "model", max_tokens=max_tokens)
    assemble_repository(tmp_path / "model", tmp_path / "repository", profile="local")
    texts = ["xin chào", "nhân viên " * 500]
    async with running_triton(tmp_path / "repository", tmp_path) as process:
        embedder = TritonEmbedder(process.ports.grpc_url, load_contract(tmp_path / "model"))
        answer = await embedder.embed(texts)
        await embedder.close()
    assert answer.truncated.tolist() == [False, True]
    assert answer.tokens[1] == max_tokens
    tokens = TextPipeline.load(tmp_path / "model").encode(texts)
    lengths = np.diff(tokens.offsets).astype(np.int32)
    expected = OnnxEncoder(tmp_path / "model" / "onnx" / "fp32.onnx", threads=1).encode(tokens.ids, lengths)
    np.testing.assert_allclose(answer.vectors, expected, atol=1e-5)
