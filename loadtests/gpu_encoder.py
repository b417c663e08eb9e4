"""Throughput of a GPU encoder behind the public model: tokens/s by length bucket, and its share of the matrix rate.

    python -m loadtests.gpu_encoder MODEL [--provider cuda] [--url HOST:PORT]

MODEL is a folder exported with `--gpu`. Without `--url` the server from PyPI runs the gpu profile, its encoder in the
Python backend on ONNX Runtime's CUDA provider (`pip install 'phoserve[gpu]'`); with it, a running server,
such as the container's, is measured. `--provider cpu` runs the script on a machine without a card. The last line is
the fixed cost of a call: `call_tokens` of the profile.
"""

import argparse
import asyncio
import contextlib
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from google.protobuf import text_format
from onnx import TensorProto, helper

from export.repository import assemble_repository, read_config
from loadtests.padding import use_python_backend
from loadtests.serving import serving
from phoserve.adapters.triton.embedder import TritonEmbedder
from phoserve.contract import CPU_ENCODER, GPU_ENCODER, PUBLIC_MODEL, load_contract
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline

PROVIDERS = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}
TEXTS_A_REQUEST = 64
CHAIN = 16  # sequential products of the matrix benchmark, so that the fixed cost of a call is negligible


def main() -> None:
    arguments = _arguments()
    rate = matrix_flops(arguments.provider, arguments.matrix)
    sys.stdout.write(
        f"matrix rate: {rate / 1e12:.2f} TFLOP/s ({_dtype(arguments.provider)}, {arguments.matrix} wide)\n"
    )
    with _server(arguments) as url:
        for length in load_contract(arguments.model).length_buckets:
            tokens_per_s = _measure(arguments, url, length)
            flops = tokens_per_s * flops_per_token(arguments.model, length)
            sys.stdout.write(
                f"{length:4} tokens: {tokens_per_s:12,.0f} tokens/s  {flops / rate:6.1%} of the matrix rate\n"
            )
    sys.stdout.write(f"call_tokens: {call_tokens(arguments.model, arguments.provider):.0f}\n")


def matrix_flops(provider: str, size: int) -> float:
    """Measure FLOP/s of large square products in ONNX Runtime on `provider`, with operands and result on the device."""
    dtype = _dtype(provider)
    kind = TensorProto.FLOAT16 if dtype == "float16" else TensorProto.FLOAT
    nodes = [helper.make_node("MatMul", [f"x{index}", "w"], [f"x{index + 1}"]) for index in range(CHAIN)]
    shapes = [helper.make_tensor_value_info(name, kind, [size, size]) for name in ("x0", "w", f"x{CHAIN}")]
    model = helper.make_model(
        helper.make_graph(nodes, "products", shapes[:2], shapes[2:]), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    session = ort.InferenceSession(model.SerializeToString(), providers=[PROVIDERS[provider]])
    binding = session.io_binding()
    values = (np.random.default_rng(0).standard_normal((size, size)) / size**0.5).astype(dtype)
    for name in ("x0", "w"):
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(values, provider, 0))
    binding.bind_output(f"x{CHAIN}", provider, 0)
    seconds = []
    for _ in range(6):  # the first one warms up
        started = time.perf_counter()
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        seconds.append(time.perf_counter() - started)
    return CHAIN * 2 * size**3 / statistics.median(seconds[1:])


def flops_per_token(model: Path, length: int) -> float:
    """Return the FLOP per token for texts of `length` tokens: two per weight, and 4 x width x length in attention."""
    graph = onnx.load(model / "onnx" / "plain.onnx").graph
    sizes = {item.name: int(np.prod(item.dims)) for item in graph.initializer}
    weights = sum(sizes.get(node.input[1], 0) for node in graph.node if node.op_type == "MatMul")
    layers = sum(node.op_type == "Softmax" for node in graph.node)
    return float(2.0 * weights + 4.0 * layers * load_contract(model).dim * length)


def call_tokens(model: Path, provider: str) -> float:
    """Return the fixed cost of a call divided by the cost of a token, from calls of 1 to 32 texts of 32 tokens."""
    encoder = OnnxEncoder(model / "onnx" / "fp16.onnx", providers=[PROVIDERS[provider]])
    rows = [1, 2, 4, 8, 16, 32]
    seconds = []
    for count in rows:
        ids, lengths = np.full(count * 32, 5, np.int32), np.full(count, 32, np.int32)
        times = []
        for _ in range(6):
            started = time.perf_counter()
            encoder.encode(ids, lengths)
            times.append(time.perf_counter() - started)
        seconds.append(statistics.median(times[1:]))
    slope, intercept = np.polyfit([count * 32 for count in rows], seconds, 1)
    return max(0.0, float(intercept / slope))


def _dtype(provider: str) -> str:
    return "float16" if provider == "cuda" else "float32"


@contextlib.contextmanager
def _server(arguments: argparse.Namespace) -> Iterator[str]:
    if arguments.url:
        yield arguments.url
        return
    with asyncio.Runner() as runner:
        started = serving(arguments.model, lambda target: _prepare(arguments, target), profile="gpu")
        server, _ = runner.run(started.__aenter__())
        try:
            yield server.ports.grpc_url
        finally:
            runner.run(started.__aexit__(None, None, None))


def _prepare(arguments: argparse.Namespace, target: Path) -> None:
    assemble_repository(arguments.model, target, profile="gpu")
    use_python_backend(target / GPU_ENCODER, arguments.model / "onnx" / "fp16.onnx")
    path = target / GPU_ENCODER / "configs" / "gpu.pbtxt"
    config = read_config(path)
    config.parameters["provider"].string_value = PROVIDERS[arguments.provider]
    path.write_text(text_format.MessageToString(config))
    shutil.rmtree(target / CPU_ENCODER)  # a failing GPU encoder must not be hidden by the fallback
    config_file = target / PUBLIC_MODEL / "configs" / "gpu.pbtxt"
    config = read_config(config_file)
    config.parameters["encoders"].string_value = GPU_ENCODER
    config.parameters["encoder_timeout_s"].string_value = "120"
    config_file.write_text(text_format.MessageToString(config))


def _measure(arguments: argparse.Namespace, url: str, length: int) -> float:
    """Measure tokens/s of texts of `length` tokens from `processes` times `clients` closed loops."""
    text = text_of(TextPipeline.load(arguments.model), length)
    with ProcessPoolExecutor(arguments.processes, get_context("spawn")) as pool:  # gRPC does not survive a fork
        jobs = [
            pool.submit(_client_process, arguments.model, url, text, arguments.clients, arguments.seconds)
            for _ in range(arguments.processes)
        ]
        return sum(job.result() for job in jobs)


def text_of(pipeline: TextPipeline, length: int) -> str:
    """Return a text of nearly `length` tokens, and no more."""
    words = length
    while len(pipeline.encode([text := "một ngôi nhà " * words]).ids) > length or pipeline.encode([text]).truncated[0]:
        words -= 1
    return text


def _client_process(model: Path, url: str, text: str, clients: int, seconds: float) -> float:
    return asyncio.run(_clients(model, url, [text] * TEXTS_A_REQUEST, clients, seconds))


async def _clients(model: Path, url: str, texts: Sequence[str], clients: int, seconds: float) -> float:
    embedder = TritonEmbedder(url, load_contract(model), timeout_s=600)
    await embedder.embed(texts[:1])
    started = time.perf_counter()

    async def client() -> int:
        tokens = 0
        while time.perf_counter() - started < seconds:
            tokens += int((await embedder.embed(texts)).tokens.sum())
        return tokens

    tokens = sum(await asyncio.gather(*(client() for _ in range(clients))))
    elapsed = time.perf_counter() - started
    await embedder.close()
    return tokens / elapsed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--provider", choices=PROVIDERS, default="cuda")
    parser.add_argument("--url", help="gRPC address of a running server")
    parser.add_argument("--matrix", type=int, default=8192, help="width of the matrix benchmark")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--clients", type=int, default=8, help="clients of each process")
    parser.add_argument("--seconds", type=float, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    main()
