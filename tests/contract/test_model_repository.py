"""Every configuration in the model repository, parsed with Triton's own protobuf and held against the contract."""

import shutil
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from google.protobuf import text_format

from export import repository
from export.processor import InstructionSet
from export.repository import (
    CROSS_ENCODERS,
    ENCODERS,
    GPU_WEIGHTS,
    TEMPLATES,
    Profile,
    assemble_repository,
    read_config,
)
from phoserve.contract import (
    CPU_CROSS_ENCODER,
    CPU_ENCODER,
    EMBEDDING,
    GPU_CROSS_ENCODER,
    GPU_ENCODER,
    INPUT_IDS,
    LENGTHS,
    LOGIT,
    ON_GPU,
    PASSAGE,
    PUBLIC_MODEL,
    QUERY,
    RERANKER,
    SCORE,
    SERVED_BY,
    TEXT,
    TOKENS,
    TRUNCATED,
    ModelContract,
    Pooling,
    load_contract,
    save_contract,
)
from phoserve.errors import ConfigurationError
from phoserve.serving import PublicModelOptions

PROFILES = get_args(Profile)
CONFIGS = sorted(TEMPLATES.rglob("*.pbtxt"))
CONTRACT = ModelContract(name="any", dim=96, tokenizer_sha256="a" * 64, weights_sha256="b" * 64)
DEFAULT_DIM = 768

TENSORS = {
    PUBLIC_MODEL: (
        {TEXT: ("TYPE_STRING", [1])},
        {
            EMBEDDING: ("TYPE_FP32", [DEFAULT_DIM]),
            TOKENS: ("TYPE_INT32", [1]),
            TRUNCATED: ("TYPE_BOOL", [1]),
            SERVED_BY: ("TYPE_STRING", [1]),
        },
    ),
    GPU_ENCODER: ({INPUT_IDS: ("TYPE_INT32", [-1, -1])}, {EMBEDDING: ("TYPE_FP32", [-1, DEFAULT_DIM])}),
    CPU_ENCODER: (
        {INPUT_IDS: ("TYPE_INT32", [-1]), LENGTHS: ("TYPE_INT32", [-1])},
        {EMBEDDING: ("TYPE_FP32", [-1, DEFAULT_DIM])},
    ),
    RERANKER: (
        {QUERY: ("TYPE_STRING", [1]), PASSAGE: ("TYPE_STRING", [1])},
        {
            SCORE: ("TYPE_FP32", [1]),
            TOKENS: ("TYPE_INT32", [1]),
            TRUNCATED: ("TYPE_BOOL", [1]),
            SERVED_BY: ("TYPE_STRING", [1]),
        },
    ),
    GPU_CROSS_ENCODER: ({INPUT_IDS: ("TYPE_INT32", [-1, -1])}, {LOGIT: ("TYPE_FP32", [-1, 1])}),
    CPU_CROSS_ENCODER: (
        {INPUT_IDS: ("TYPE_INT32", [-1]), LENGTHS: ("TYPE_INT32", [-1])},
        {LOGIT: ("TYPE_FP32", [-1, 1])},
    ),
}
FRONTS = {PUBLIC_MODEL: ENCODERS, RERANKER: CROSS_ENCODERS}


def model_of(path: Path) -> str:
    return path.relative_to(TEMPLATES).parts[0]


def tensors(items: Any) -> dict[str, tuple[str, list[int]]]:
    names = items[0].DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    return {item.name: (names[item.data_type].name, list(item.dims)) for item in items}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_tensors_are_those_of_the_contract(path: Path) -> None:
    config = read_config(path)
    assert (tensors(config.input), tensors(config.output)) == TENSORS[model_of(path)]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_nothing_switches_off_the_prefetching_of_the_batcher(path: Path) -> None:
    batching = read_config(path).dynamic_batching
    assert batching.priority_levels == 0
    assert batching.default_queue_policy.ByteSize() == 0


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_no_field_is_newer_than_the_server(path: Path) -> None:
    assert not read_config(path).HasField("model_metrics")  # the client's schema has it, Triton 24.10's has not


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_instances_are_counted_and_placed(path: Path) -> None:
    (group,) = read_config(path).instance_group
    assert group.count >= 1
    assert group.kind == (group.KIND_GPU if model_of(path) in ON_GPU else group.KIND_CPU)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("public", FRONTS)
def test_every_profile_configures_every_model_it_needs(public: str, profile: Profile) -> None:
    front = read_config(TEMPLATES / public / "configs" / f"{profile}.pbtxt")
    options = PublicModelOptions.from_parameters({key: value.string_value for key, value in front.parameters.items()})
    assert tuple(options.encoders.split(",")) == FRONTS[public][profile]
    assert set(front.parameters) <= set(PublicModelOptions.__slots__)
    for name in FRONTS[public][profile]:
        config = read_config(TEMPLATES / name / "configs" / f"{profile}.pbtxt")
        assert config.backend == "python" or profile != "local"


@pytest.mark.parametrize("name", TENSORS)
def test_the_default_is_the_gpu_profile(name: str) -> None:
    folder = TEMPLATES / name
    assert read_config(folder / "config.pbtxt") == read_config(folder / "configs" / "gpu.pbtxt")


@pytest.mark.parametrize("path", [path for path in CONFIGS if model_of(path) not in FRONTS], ids=str)
def test_encoders_are_warmed_up_once_a_length_bucket(path: Path) -> None:
    shapes = [sample.inputs[INPUT_IDS].dims[-1] for sample in read_config(path).model_warmup]
    assert tuple(shapes) == CONTRACT.length_buckets


@pytest.mark.parametrize("encoder", sorted(ON_GPU))
def test_a_plan_has_one_optimisation_profile_a_bucket(encoder: str) -> None:
    config = read_config(TEMPLATES / encoder / "configs" / "tensorrt.pbtxt")
    assert list(config.instance_group[0].profile) == [str(index) for index in range(len(CONTRACT.length_buckets))]


def test_a_field_that_triton_does_not_know_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.pbtxt").write_text("max_bach_size: 8")
    with pytest.raises(text_format.ParseError, match="max_bach_size"):
        read_config(tmp_path / "config.pbtxt")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    for file in ("vocab.txt", "bpe.codes", "onnx/fp32.onnx", *GPU_WEIGHTS.values()):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(file)
    save_contract(CONTRACT, folder)
    return folder


@pytest.mark.parametrize("profile", PROFILES)
def test_a_repository_has_the_models_width_and_weights(model: Path, tmp_path: Path, profile: Profile) -> None:
    target = tmp_path / "repository"
    assemble_repository(model, target, profile=profile)
    assert {folder.name for folder in target.iterdir()} == {PUBLIC_MODEL, *ENCODERS[profile]}
    for name in (PUBLIC_MODEL, *ENCODERS[profile]):
        config = read_config(target / name / "configs" / f"{profile}.pbtxt")
        assert next(item.dims[-1] for item in config.output if item.name == EMBEDDING) == CONTRACT.dim
    assert (target / CPU_ENCODER / "1" / "model.onnx").read_text() == "onnx/fp32.onnx"
    assert (target / CPU_ENCODER / "1" / "model.py").exists() == (profile == "local")
    assert (target / CPU_ENCODER / "warmup" / "16").read_bytes() == b"\x10\0\0\0"


def test_assembling_again_replaces_what_was_there(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "repository"
    assemble_repository(model, target, profile="gpu")
    assemble_repository(model, target, profile="cpu")
    assert {folder.name for folder in target.iterdir()} == {PUBLIC_MODEL, CPU_ENCODER}


def test_a_model_without_the_weights_a_profile_needs_is_told(model: Path, tmp_path: Path) -> None:
    (model / "onnx" / "fp16.onnx").unlink()
    with pytest.raises(ConfigurationError, match=r"fp16\.onnx"):
        assemble_repository(model, tmp_path / "repository", profile="gpu")
    assert not list(tmp_path.glob("repository*"))


def as_reranker(model: Path, target: Path) -> Path:
    shutil.copytree(model, target)
    save_contract(msgspec.structs.replace(CONTRACT, pooling="classifier", dim=1), target)
    return target


@pytest.mark.parametrize("profile", PROFILES)
def test_a_reranker_stands_beside_the_encoder(model: Path, tmp_path: Path, profile: Profile) -> None:
    target = tmp_path / "repository"
    assemble_repository(model, target, profile=profile, reranker=as_reranker(model, tmp_path / "reranker"))
    models = {PUBLIC_MODEL, RERANKER, *ENCODERS[profile], *CROSS_ENCODERS[profile]}
    assert {folder.name for folder in target.iterdir()} == models
    assert (target / RERANKER / "1" / "model.py").is_file()
    assert (target / CPU_CROSS_ENCODER / "1" / "model.py").exists() == (profile == "local")
    assert '"classifier"' in (target / RERANKER / "1" / "contract.json").read_text()


def test_a_model_in_the_others_place_is_told(model: Path, tmp_path: Path) -> None:
    reranker = as_reranker(model, tmp_path / "reranker")
    with pytest.raises(ConfigurationError, match="made to rerank, not to embed"):
        assemble_repository(reranker, tmp_path / "repository", profile="local")
    with pytest.raises(ConfigurationError, match="made to embed, not to rerank"):
        assemble_repository(model, tmp_path / "repository", profile="local", reranker=model)


@pytest.mark.parametrize(
    ("precisions", "processor", "expected"),
    [
        (("fp32", "int8"), InstructionSet.AVX2, "int8"),
        (("fp32", "int8"), InstructionSet.OTHER, "fp32"),
        (("int8",), InstructionSet.OTHER, "int8"),
        (("fp32",), InstructionSet.AMX, "fp32"),
    ],
)
def test_the_cpu_encoder_gets_what_suits_the_processor(
    monkeypatch: pytest.MonkeyPatch, precisions: tuple[str, ...], processor: InstructionSet, expected: str
) -> None:
    monkeypatch.setattr(repository, "instruction_set", lambda: processor)
    assert repository.best_cpu_precision(msgspec.structs.replace(CONTRACT, precisions=precisions)) == expected


@pytest.mark.parametrize(("profile", "parameter"), [("local", "threads"), ("cpu", "intra_op_thread_count")])
@pytest.mark.parametrize(("pooling", "threads"), [("sqrt_tf", "1"), ("mean", "0")])
def test_the_static_encoder_runs_on_one_thread(
    model: Path, tmp_path: Path, profile: Profile, parameter: str, pooling: Pooling, threads: str
) -> None:
    save_contract(msgspec.structs.replace(load_contract(model), pooling=pooling), model)
    assemble_repository(model, tmp_path / "repository", profile=profile)
    config = read_config(tmp_path / "repository" / CPU_ENCODER / "configs" / f"{profile}.pbtxt")
    assert config.parameters[parameter].string_value == threads
