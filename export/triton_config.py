"""Triton configurations of a model: the templates in `model_repository/`, filled in from the model's contract."""

from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any, Final, Literal, get_args

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from phoserve.contract import (
    EMBEDDING,
    INPUT_IDS,
    LENGTHS,
    LOGIT,
    PASSAGE,
    QUERY,
    SCORE,
    SERVED_BY,
    TEXT,
    TOKENS,
    TRUNCATED,
    ModelContract,
    TritonNames,
)

Profile = Literal["local", "cpu", "gpu", "tensorrt", "ort-tensorrt"]
"""Where a model is served; Triton's `--model-config-name`."""
Role = Literal["public_model", "gpu_encoder", "cpu_encoder"]
"""What a Triton model is for; a folder of templates in `model_repository/`."""

PROFILES: Final[tuple[Profile, ...]] = get_args(Profile)
GPU_PROFILES: Final[tuple[Profile, ...]] = ("gpu", "tensorrt", "ort-tensorrt")
TEMPLATES: Final = Path(__file__).parent.parent / "model_repository"
TEMPLATE_OF: Final[dict[Role, dict[Profile, str]]] = {
    "public_model": {"local": "local", "cpu": "cpu", **dict.fromkeys(GPU_PROFILES, "gpu")},
    "gpu_encoder": {profile: profile for profile in GPU_PROFILES},
    "cpu_encoder": {"local": "local", "cpu": "cpu", **dict.fromkeys(GPU_PROFILES, "cpu")},
}
"""Which template configures a role in a profile; no entry where the profile does not use the role."""

CPU_BATCH_TOKENS: Final = 1024
GPU_BATCH_TOKENS: Final = 16_384
# A warm-up of thousands of tokens takes a CPU longer than the first request that needs it.
CPU_WARM_UP_TOKENS: Final = 512
USUAL_WIDTH: Final = 128

Tensor = tuple[str, str, Sequence[int]]


def roles_of(profile: Profile) -> tuple[Role, ...]:
    """The roles that `profile` uses, the public model first, then its encoders in the order in which it asks them."""
    return tuple(role for role, templates in TEMPLATE_OF.items() if profile in templates)


def render_config(contract: ModelContract, names: TritonNames, role: Role, profile: Profile) -> str:
    """Return the configuration (`config.pbtxt`) of one Triton model."""
    template = Template((TEMPLATES / role / f"{TEMPLATE_OF[role][profile]}.pbtxt").read_text(encoding="utf-8"))
    lengths = warm_up_lengths(contract, role)
    return template.substitute(
        name=name_of(names, role),
        cpu_encoder=names.cpu_encoder,
        gpu_encoder=names.gpu_encoder,
        tensors="\n".join(_tensor_lines(contract, role)),
        warm_ups="\n".join(_warm_up(length, packed=_is_packed(contract, role)) for length in lengths),
        optimisation_profiles=", ".join(f'"{index}"' for index in range(len(contract.served_lengths))),
        cpu_batch_tokens=CPU_BATCH_TOKENS,
        gpu_batch_tokens=GPU_BATCH_TOKENS,
        usual_shape=_usual_shape(contract),
        largest_shape=f"{max(1, GPU_BATCH_TOKENS // contract.served_lengths[0])}x{contract.max_tokens}",
        # The static encoder sums with ScatterND; ONNX Runtime's threads race in it (issue 18048).
        threads=1 if contract.pooling == "sqrt_tf" else 0,
    )


def name_of(names: TritonNames, role: Role) -> str:
    """The Triton model that has `role`."""
    return {"public_model": names.public, "gpu_encoder": names.gpu_encoder, "cpu_encoder": names.cpu_encoder}[role]


def warm_up_lengths(contract: ModelContract, role: Role) -> tuple[int, ...]:
    """The lengths, in tokens, with which an encoder is warmed up; none for the public model."""
    if role == "public_model":
        return ()
    limit = CPU_WARM_UP_TOKENS if role == "cpu_encoder" else contract.max_tokens
    return tuple(length for length in contract.served_lengths if length <= limit)


def read_config(path: Path) -> Any:
    """The `ModelConfig` message in a pbtxt file."""
    return text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())


def _is_packed(contract: ModelContract, role: Role) -> bool:
    return role == "cpu_encoder" and contract.layout == "packed"


def _usual_shape(contract: ModelContract) -> str:
    width = min(USUAL_WIDTH, contract.max_tokens)
    return f"{max(1, GPU_BATCH_TOKENS // width // 2)}x{width}"


def _tensor_lines(contract: ModelContract, role: Role) -> list[str]:
    inputs, outputs = _public_tensors(contract) if role == "public_model" else _encoder_tensors(contract, role)
    return [_tensor_line("input", item) for item in inputs] + [_tensor_line("output", item) for item in outputs]


def _public_tensors(contract: ModelContract) -> tuple[list[Tensor], list[Tensor]]:
    rerank = contract.task == "rerank"
    inputs = (QUERY, PASSAGE) if rerank else (TEXT,)
    result: Tensor = (SCORE, "TYPE_FP32", [1]) if rerank else (EMBEDDING, "TYPE_FP32", [contract.dim])
    rest: list[Tensor] = [
        (TOKENS, "TYPE_INT32", [1]),
        (TRUNCATED, "TYPE_BOOL", [1]),
        (SERVED_BY, "TYPE_STRING", [1]),
    ]
    return [(name, "TYPE_STRING", [1]) for name in inputs], [result, *rest]


def _encoder_tensors(contract: ModelContract, role: Role) -> tuple[list[Tensor], list[Tensor]]:
    name, width = (LOGIT, 1) if contract.task == "rerank" else (EMBEDDING, contract.dim)
    inputs: list[Tensor] = [(INPUT_IDS, "TYPE_INT32", [-1, -1])]
    if _is_packed(contract, role):  # the tokens of all texts one after another, and how many each text has
        inputs = [(INPUT_IDS, "TYPE_INT32", [-1]), (LENGTHS, "TYPE_INT32", [-1])]
    return inputs, [(name, "TYPE_FP32", [-1, width])]


def _tensor_line(kind: str, tensor: Tensor) -> str:
    name, datatype, dims = tensor
    return f'{kind} {{ name: "{name}" data_type: {datatype} dims: [ {", ".join(map(str, dims))} ] }}'


def _warm_up(length: int, *, packed: bool) -> str:
    """One sample: a text of `length` tokens."""
    ids = f"dims: {length}" if packed else f"dims: [ 1, {length} ]"
    lines = [f'  inputs {{ key: "{INPUT_IDS}" value {{ data_type: TYPE_INT32 {ids} zero_data: true }} }}']
    if packed:  # zeros would not do: LENGTHS must add up to the tokens
        file = f'data_type: TYPE_INT32 dims: 1 input_data_file: "{length}"'
        lines.append(f'  inputs {{ key: "{LENGTHS}" value {{ {file} }} }}')
    return "\n".join(["model_warmup {", f'  name: "{length} tokens"', "  batch_size: 1", *lines, "}"])
