"""From a model folder to a repository that Triton loads: the right models, configurations and weights for a profile."""

import os
import shutil
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from phoserve.contract import (
    CONTRACT_FILE,
    CPU_ENCODER,
    EMBEDDING,
    GPU_ENCODER,
    MERGES_FILE,
    PUBLIC_MODEL,
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
GPU_WEIGHTS: Final[dict[Profile, str]] = {
    "gpu": "onnx/fp16.onnx",
    "tensorrt": "tensorrt/model.plan",
    "ort-tensorrt": "onnx/plain.onnx",
}
VERSION: Final = "1"


def assemble_repository(
    model_folder: Path, target: Path, *, profile: Profile, version: str = VERSION, cpu_precision: str | None = None
) -> None:
    """Make `target` a model repository of the model in `model_folder` for `tritonserver --model-config-name=PROFILE`.

    The CPU encoder gets int8 weights where the model has them, unless `cpu_precision` says otherwise. What was at
    `target` is replaced in one step. Raises ConfigurationError if the model lacks a file the profile needs.
    """
    contract = load_contract(model_folder)
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _public_model(model_folder, fresh / PUBLIC_MODEL, contract, version)
        for name in ENCODERS[profile]:
            weights = _weights(model_folder, contract, name, profile, cpu_precision)
            _encoder(weights, fresh / name, contract, profile, version)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    except ConfigurationError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise ConfigurationError(f"the model repository {target} cannot be written: {error}") from error


def read_config(path: Path) -> Any:
    """The `ModelConfig` message in a pbtxt file."""
    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


def _public_model(model_folder: Path, model: Path, contract: ModelContract, version: str) -> None:
    _configurations(model, contract)
    folder = model / version
    folder.mkdir()
    shutil.copy2(TEMPLATES / PUBLIC_MODEL / VERSION / "model.py", folder)
    for name in (CONTRACT_FILE, VOCAB_FILE, MERGES_FILE):
        shutil.copy2(_existing(model_folder / name), folder)


def _encoder(weights: Path, model: Path, contract: ModelContract, profile: Profile, version: str) -> None:
    _configurations(model, contract)
    folder = model / version
    folder.mkdir()
    script = TEMPLATES / model.name / VERSION / "model.py"
    if profile == "local" and script.is_file():
        shutil.copy2(script, folder)
    _link(weights, folder / f"model{weights.suffix}")


def _weights(
    model_folder: Path, contract: ModelContract, name: str, profile: Profile, cpu_precision: str | None
) -> Path:
    if name == GPU_ENCODER:
        return _existing(model_folder / GPU_WEIGHTS[profile])
    precision = cpu_precision or ("int8" if "int8" in contract.precisions else "fp32")
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
    """The templates are written for PhoBERT's width."""
    for output in config.output:
        if output.name == EMBEDDING:
            output.dims[-1] = contract.dim


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
