"""Assemble a Triton model repository from model folders: models, configurations and weights for a profile."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from export.processor import instruction_set
from export.triton_config import (
    PROFILES,
    TEMPLATE_OF,
    TEMPLATES,
    Profile,
    Role,
    name_of,
    read_config,
    render_config,
    roles_of,
    warm_up_lengths,
)
from phoserve.contract import (
    CONTRACT_FILE,
    ModelContract,
    Task,
    TritonNames,
    load_contract,
    served_names,
    triton_names,
)
from phoserve.errors import ConfigurationError

__all__ = ["TEMPLATES", "Profile", "assemble_repository", "best_cpu_precision", "encoders_of", "read_config"]

GPU_WEIGHTS: Final[dict[Profile, str]] = {
    "gpu": "onnx/fp16.onnx",
    "tensorrt": "tensorrt/model.plan",
    "ort-tensorrt": "onnx/plain.onnx",
}
SCRIPT: Final = "model.py"
VERSION: Final = "1"


def assemble_repository(
    model_folder: Path,
    target: Path,
    *,
    profile: Profile,
    reranker: Path | None = None,
    also: Sequence[Path] = (),
    version: str = VERSION,
    cpu_precision: str | None = None,
) -> None:
    """Make `target` a model repository of the model in `model_folder`.

    `reranker` is a cross-encoder's folder, `also` are folders of more models of either task; `served_names` names all.
    `tritonserver` serves it as it is, or with `--model-config-name=PROFILE`. The CPU encoder gets the precision that is
    fastest on this machine's processor, unless `cpu_precision` names one. The repository that was at `target` is
    replaced in one step. Raises ConfigurationError if a model lacks a file that the profile needs.
    """
    _check_task(model_folder, "embed")
    if reranker:
        _check_task(reranker, "rerank")
    folders = [model_folder, *([reranker] if reranker else []), *also]
    served = served_names([load_contract(folder) for folder in folders])
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        for folder, name in zip(folders, served, strict=True):
            _add_model(folder, fresh, triton_names(name), profile, version, cpu_precision)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    except ConfigurationError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise ConfigurationError(f"the model repository {target} cannot be written: {error}") from error


def encoders_of(names: TritonNames, profile: Profile) -> tuple[str, ...]:
    """Return the Triton models of the encoders that serve `names` in `profile`, the preferred one first."""
    return tuple(name_of(names, role) for role in roles_of(profile)[1:])


def best_cpu_precision(contract: ModelContract) -> str:
    """Return int8 where the model has it and this processor multiplies bytes fast and exactly, else fp32."""
    if "fp32" not in contract.precisions:
        return "int8"
    processor = instruction_set()
    fast = processor.favours_int8 if contract.int8_bits == 7 else processor.adds_bytes_exactly
    return "int8" if "int8" in contract.precisions and fast else "fp32"


def _check_task(folder: Path, task: Task) -> None:
    found = load_contract(folder).task
    if found != task:
        raise ConfigurationError(
            f"the model in {folder} is exported to {found}, not to {task}: see `phoserve export --task`"
        )


def _add_model(
    model_folder: Path, repository: Path, names: TritonNames, profile: Profile, version: str, cpu_precision: str | None
) -> None:
    contract = load_contract(model_folder)
    for role in roles_of(profile):
        model = repository / name_of(names, role)
        folder = model / version
        folder.mkdir(parents=True)
        _write_configs(model, contract, names, role, profile)
        if role == "public_model":
            _copy_public_model(model_folder, folder)
        else:
            weights = _weights(model_folder, contract, role, profile, cpu_precision)
            _link(weights, folder / f"model{weights.suffix}")
            if profile == "local":
                shutil.copyfile(TEMPLATES / role / SCRIPT, folder / SCRIPT)


def _write_configs(model: Path, contract: ModelContract, names: TritonNames, role: Role, profile: Profile) -> None:
    """Write a configuration for each profile that uses the model, and the one of `profile` as the default."""
    (model / "configs").mkdir()
    for other in PROFILES:
        if other in TEMPLATE_OF[role]:
            text = render_config(contract, names, role, other)
            (model / "configs" / f"{other}.pbtxt").write_text(text, encoding="utf-8")
    shutil.copyfile(model / "configs" / f"{profile}.pbtxt", model / "config.pbtxt")
    _write_warm_up_files(model, warm_up_lengths(contract, role))


def _write_warm_up_files(model: Path, lengths: tuple[int, ...]) -> None:
    """Write the LENGTHS of the warm-ups: a packed graph cannot be warmed up with zeros."""
    for length in lengths:
        (model / "warmup").mkdir(exist_ok=True)
        (model / "warmup" / str(length)).write_bytes(np.array([length], np.int32).tobytes())


def _copy_public_model(model_folder: Path, folder: Path) -> None:
    shutil.copyfile(TEMPLATES / "public_model" / SCRIPT, folder / SCRIPT)
    for name in (CONTRACT_FILE, *load_contract(model_folder).tokenizer_files):
        shutil.copyfile(_existing(model_folder / name), folder / name)


def _weights(
    model_folder: Path, contract: ModelContract, role: Role, profile: Profile, cpu_precision: str | None
) -> Path:
    if role == "gpu_encoder":
        return _existing(model_folder / GPU_WEIGHTS[profile])
    precision = cpu_precision or best_cpu_precision(contract)
    return _existing(model_folder / "onnx" / f"{precision}.onnx")


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ConfigurationError(f"the model has no {path}; make it with `phoserve export`")
    return path


def _link(source: Path, target: Path) -> None:
    """Create a hard link if the file system supports it, because weights are large."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
