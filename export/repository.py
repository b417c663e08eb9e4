"""From a model folder to a repository that Triton loads: the right models, configurations and weights for a profile."""

import os
import shutil
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from export.processor import instruction_set
from phoserve.contract import (
    CONTRACT_FILE,
    CPU_CROSS_ENCODER,
    CPU_ENCODER,
    EMBEDDING,
    GPU_CROSS_ENCODER,
    GPU_ENCODER,
    MERGES_FILE,
    ON_GPU,
    PUBLIC_MODEL,
    RERANKER,
    VOCAB_FILE,
    ModelContract,
    load_contract,
)
from phoserve.errors import ConfigurationError

Profile = Literal["local", "cpu", "gpu", "tensorrt", "ort-tensorrt"]

TEMPLATES: Final = Path(__file__).parent.parent / "model_repository"
ENCODERS: Final[dict[Profile, tuple[str, ...]]] = {
    "local": (CPU_ENCODER,),
    "cpu": (CPU_ENCODER,),
    "gpu": (GPU_ENCODER, CPU_ENCODER),
    "tensorrt": (GPU_ENCODER, CPU_ENCODER),
    "ort-tensorrt": (GPU_ENCODER, CPU_ENCODER),
}
CROSS_ENCODERS: Final = {
    profile: tuple({GPU_ENCODER: GPU_CROSS_ENCODER, CPU_ENCODER: CPU_CROSS_ENCODER}[name] for name in names)
    for profile, names in ENCODERS.items()
}
# The scripts are the same: the contract beside them tells which task it is.
SCRIPTS: Final = {RERANKER: PUBLIC_MODEL, CPU_CROSS_ENCODER: CPU_ENCODER}
GPU_WEIGHTS: Final[dict[Profile, str]] = {
    "gpu": "onnx/fp16.onnx",
    "tensorrt": "tensorrt/model.plan",
    "ort-tensorrt": "onnx/plain.onnx",
}
THREAD_PARAMETERS: Final = ("threads", "intra_op_thread_count")
VERSION: Final = "1"


def assemble_repository(
    model_folder: Path,
    target: Path,
    *,
    profile: Profile,
    reranker: Path | None = None,
    version: str = VERSION,
    cpu_precision: str | None = None,
) -> None:
    """Make `target` a model repository of the model in `model_folder` for `tritonserver --model-config-name=PROFILE`.

    With `reranker`, the folder of a cross-encoder, its models stand beside.

    The CPU encoder gets what is fastest on this machine's processor, unless `cpu_precision` says otherwise. What was
    at `target` is replaced in one step. Raises ConfigurationError if the model lacks a file the profile needs.
    """
    folders = {"embed": model_folder} | ({"rerank": reranker} if reranker else {})
    for task, folder in folders.items():
        _check_task(folder, task)
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        for task, folder in folders.items():
            contract = load_contract(folder)
            public, encoders = (PUBLIC_MODEL, ENCODERS) if task == "embed" else (RERANKER, CROSS_ENCODERS)
            _public_model(folder, fresh / public, contract, version)
            for name in encoders[profile]:
                weights = _weights(folder, contract, name, profile, cpu_precision)
                _encoder(weights, fresh / name, contract, profile, version)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    except ConfigurationError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise ConfigurationError(f"the model repository {target} cannot be written: {error}") from error


def best_cpu_precision(contract: ModelContract) -> str:
    """int8 where the model has it and this processor multiplies bytes fast; it is the one that will serve."""
    if "int8" in contract.precisions and (instruction_set().favours_int8 or "fp32" not in contract.precisions):
        return "int8"
    return "fp32"


def read_config(path: Path) -> Any:
    """The `ModelConfig` message in a pbtxt file."""
    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


def _check_task(folder: Path, task: str) -> None:
    found = load_contract(folder).task
    if found != task:
        raise ConfigurationError(f"the model in {folder} is made to {found}, not to {task}: `phoserve export --task`")


def _script(model: str) -> Path:
    return TEMPLATES / SCRIPTS.get(model, model) / VERSION / "model.py"


def _public_model(model_folder: Path, model: Path, contract: ModelContract, version: str) -> None:
    _configurations(model, contract)
    folder = model / version
    folder.mkdir()
    shutil.copy2(_script(model.name), folder)
    for name in (CONTRACT_FILE, VOCAB_FILE, MERGES_FILE):
        shutil.copy2(_existing(model_folder / name), folder)


def _encoder(weights: Path, model: Path, contract: ModelContract, profile: Profile, version: str) -> None:
    _configurations(model, contract)
    folder = model / version
    folder.mkdir()
    script = _script(model.name)
    if profile == "local" and script.is_file():
        shutil.copy2(script, folder)
    _link(weights, folder / f"model{weights.suffix}")


def _weights(
    model_folder: Path, contract: ModelContract, name: str, profile: Profile, cpu_precision: str | None
) -> Path:
    if name in ON_GPU:
        return _existing(model_folder / GPU_WEIGHTS[profile])
    precision = cpu_precision or best_cpu_precision(contract)
    return _existing(model_folder / "onnx" / f"{precision}.onnx")


def _configurations(model: Path, contract: ModelContract) -> None:
    template = TEMPLATES / model.name
    for source in template.rglob("*.pbtxt"):
        target = model / source.relative_to(template)
        target.parent.mkdir(parents=True, exist_ok=True)
        config = read_config(source)
        _adapt(config, contract)
        target.write_text(text_format.MessageToString(config))
        _warm_up_files(model, config)


def _adapt(config: Any, contract: ModelContract) -> None:
    """The templates are written for PhoBERT's width, and for graphs that may use every core."""
    for output in config.output:
        if output.name == EMBEDDING:
            output.dims[-1] = contract.dim
    # The static encoder sums with ScatterND; ONNX Runtime's threads race when they add to one row (its issue 18048).
    if contract.pooling == "sqrt_tf":
        for name in set(THREAD_PARAMETERS) & set(config.parameters):
            config.parameters[name].string_value = "1"


def _warm_up_files(model: Path, config: Any) -> None:
    """A packed graph cannot be warmed up with zeros: LENGTHS must add up. Its files are named for their one number."""
    files = {value.input_data_file for sample in config.model_warmup for value in sample.inputs.values()} - {""}
    for name in files:
        (model / "warmup").mkdir(exist_ok=True)
        (model / "warmup" / name).write_bytes(np.array([int(name)], np.int32).tobytes())


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ConfigurationError(f"the model has no {path}; make it with `phoserve export`")
    return path


def _link(source: Path, target: Path) -> None:
    """A hard link where the file system allows it: weights are large."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
