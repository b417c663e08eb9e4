"""Build the TensorRT plan of a model, on the GPU that will serve it: `python -m export.tensorrt MODEL_FOLDER`.

Meant to run inside the Triton container, nvcr.io/nvidia/tritonserver:24.10-py3, which has TensorRT's libraries (its
Python package is `pip install tensorrt==10.4.0`): a plan only loads on the kind of GPU and the TensorRT version that
built it. `--print-trtexec` writes the same build as a `trtexec` command line instead.
"""

import argparse
import importlib
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from export.triton_config import GPU_BATCH_TOKENS
from phoserve.contract import INPUT_IDS, ModelContract, load_contract
from phoserve.errors import ConfigurationError, PhoserveError
from phoserve.serving.scheduler import WINDOW_TEXTS

PLAIN_GRAPH: Final = Path("onnx") / "plain.onnx"
PLAN: Final = Path("tensorrt") / "model.plan"
WORKSPACE_BYTES: Final = 4 << 30

Shape = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ShapeProfile:
    """The shapes (texts, tokens) of one optimisation profile: one length bucket, from a single text to a full batch."""

    least: Shape
    usual: Shape
    most: Shape


def profiles(contract: ModelContract) -> list[ShapeProfile]:
    """Return one profile for each length bucket, shortest first; any width belongs to exactly one of them.

    A batch is as wide as its longest text: rounding short texts up to a bucket would waste a fifth of the work.
    """
    lengths = contract.served_lengths
    shortest = [1, *(length + 1 for length in lengths[:-1])]
    return [
        ShapeProfile(
            least=(1, least),
            usual=(max(1, GPU_BATCH_TOKENS // length // 2), length),
            most=(max(1, min(WINDOW_TEXTS, GPU_BATCH_TOKENS // least)), length),
        )
        for least, length in zip(shortest, lengths, strict=True)
    ]


def trtexec_command(folder: Path, contract: ModelContract) -> list[str]:
    """Return the build as a command line of TensorRT's own tool."""
    command = [
        "trtexec",
        f"--onnx={folder / PLAIN_GRAPH}",
        f"--saveEngine={folder / PLAN}",
        "--fp16",
        "--skipInference",
    ]
    command.append(f"--memPoolSize=workspace:{WORKSPACE_BYTES >> 20}M")
    for index, profile in enumerate(profiles(contract)):
        command.append(f"--profile={index}")
        for option, shape in (("min", profile.least), ("opt", profile.usual), ("max", profile.most)):
            command.append(f"--{option}Shapes={INPUT_IDS}:{shape[0]}x{shape[1]}")
    return command


def build_plan(folder: Path) -> Path:
    """Build the plan of the model in `folder` with TensorRT's Python package; minutes of GPU time.

    Raises ConfigurationError if TensorRT or the graph is missing, or TensorRT rejects the graph.
    """
    contract = load_contract(folder)
    graph = folder / PLAIN_GRAPH
    if not graph.is_file():
        raise ConfigurationError(f"{graph} is missing: export the model again with --gpu")
    trt = _tensorrt()
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(graph)):
        raise ConfigurationError(f"TensorRT cannot read {graph}: {parser.get_error(0).desc()}")
    plan = builder.build_serialized_network(network, _options(trt, builder, contract))
    if plan is None:
        raise ConfigurationError("TensorRT could not build the plan; see its messages above")
    target = folder / PLAN
    target.parent.mkdir(exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    unfinished.write_bytes(plan)
    return unfinished.rename(target)


def _options(trt: Any, builder: Any, contract: ModelContract) -> Any:
    config = builder.create_builder_config()
    config.set_flag(trt.BuilderFlag.FP16)
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    for profile in profiles(contract):
        shapes = builder.create_optimization_profile()
        shapes.set_shape(INPUT_IDS, profile.least, profile.usual, profile.most)
        config.add_optimization_profile(shapes)
    return config


def _tensorrt() -> Any:
    try:
        return importlib.import_module("tensorrt")
    except ImportError as error:
        raise ConfigurationError("TensorRT is not installed: run this inside the Triton container") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.tensorrt", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--print-trtexec", action="store_true")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.print_trtexec:
            sys.stdout.write(shlex.join(trtexec_command(chosen.model, load_contract(chosen.model))) + "\n")
        else:
            sys.stdout.write(f"{build_plan(chosen.model)} is built\n")
    except PhoserveError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
