"""Every Triton configuration, generated for models of several shapes and parsed with Triton's own protobuf."""

import re
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2

from export import repository
from export.processor import InstructionSet
from export.repository import GPU_WEIGHTS, assemble_repository, encoders_of
from export.tensorrt import profiles
from export.triton_config import (
    CPU_WARM_UP_TOKENS,
    PROFILES,
    TEMPLATE_OF,
    TEMPLATES,
    Profile,
    Role,
    name_of,
    read_config,
    render_config,
    roles_of,
)
from phoserve.contract import (
    CPU_ENCODER,
    EMBEDDING,
    GPU_ENCODER,
    INPUT_IDS,
    LENGTHS,
    LOGIT,
    PASSAGE,
    PUBLIC_MODEL,
    QUERY,
    RERANKER,
    SCORE,
    SERVED_BY,
    TEXT,
    TOKENS,
    TRUNCATED,
    Layout,
    ModelContract,
    Pooling,
    load_contract,
    save_contract,
    triton_names,
)
from phoserve.errors import ConfigurationError
from phoserve.serving import PublicModelOptions

CONTRACT = ModelContract(name="any", dim=96, tokenizer_sha256="a" * 64, weights_sha256="b" * 64)
PHOBERT = msgspec.structs.replace(CONTRACT, dim=768)
CONTRACTS = {
    "phobert": PHOBERT,
    "padded": msgspec.structs.replace(PHOBERT, layout="padded"),
    "128 tokens": msgspec.structs.replace(PHOBERT, max_tokens=128),
    "8192 tokens": msgspec.structs.replace(PHOBERT, max_tokens=8192, length_buckets=(16, 512, 2048, 8192)),
    "bundled": load_contract(Path("export/bundled")),
    "reranker": msgspec.structs.replace(CONTRACT, pooling="classifier", dim=1),
}
NAMES = [triton_names(PUBLIC_MODEL), triton_names(RERANKER), triton_names("any_other")]
MODELS: list[tuple[Role, Profile]] = [(role, profile) for profile in PROFILES for role in roles_of(profile)]
STRING, INT, FLOAT = "TYPE_STRING", "TYPE_INT32", "TYPE_FP32"
STATUS = {TOKENS: (INT, [1]), TRUNCATED: ("TYPE_BOOL", [1]), SERVED_BY: (STRING, [1])}

each_contract = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
each_model = pytest.mark.parametrize(("role", "profile"), MODELS, ids="-".join)


def config_of(contract: ModelContract, role: Role, profile: Profile, names: Any = NAMES[0]) -> Any:
    return text_format.Parse(render_config(contract, names, role, profile), model_config_pb2.ModelConfig())


def tensors(items: Any) -> dict[str, tuple[str, list[int]]]:
    names = items[0].DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    return {item.name: (names[item.data_type].name, list(item.dims)) for item in items}


@each_contract
@each_model
def test_tensors_are_those_of_the_contract(contract: ModelContract, role: Role, profile: Profile) -> None:
    config = config_of(contract, role, profile)
    rerank = contract.task == "rerank"
    result = {LOGIT: (FLOAT, [-1, 1])} if rerank else {EMBEDDING: (FLOAT, [-1, contract.dim])}
    packed = {INPUT_IDS: (INT, [-1]), LENGTHS: (INT, [-1])}
    padded = {INPUT_IDS: (INT, [-1, -1])}
    expected = {
        "public_model": (
            {QUERY: (STRING, [1]), PASSAGE: (STRING, [1])} if rerank else {TEXT: (STRING, [1])},
            ({SCORE: (FLOAT, [1])} if rerank else {EMBEDDING: (FLOAT, [contract.dim])}) | STATUS,
        ),
        "gpu_encoder": (padded, result),
        "cpu_encoder": (packed if contract.layout == "packed" else padded, result),
    }
    assert (tensors(config.input), tensors(config.output)) == expected[role]


@each_model
def test_no_field_switches_off_the_prefetching_of_the_batcher(role: Role, profile: Profile) -> None:
    batching = config_of(PHOBERT, role, profile).dynamic_batching
    assert batching.priority_levels == 0
    assert batching.default_queue_policy.ByteSize() == 0


@each_model
def test_no_field_is_newer_than_the_server(role: Role, profile: Profile) -> None:
    assert not config_of(PHOBERT, role, profile).HasField("model_metrics")  # not in the schema of Triton 24.10


@each_model
def test_instances_are_counted_and_placed(role: Role, profile: Profile) -> None:
    (group,) = config_of(PHOBERT, role, profile).instance_group
    assert group.count >= 1
    assert group.kind == (group.KIND_GPU if role == "gpu_encoder" else group.KIND_CPU)


@pytest.mark.parametrize("names", NAMES, ids=lambda names: names.public)
@pytest.mark.parametrize("profile", PROFILES)
def test_the_public_model_asks_the_encoders_of_its_profile(names: Any, profile: Profile) -> None:
    config = config_of(PHOBERT, "public_model", profile, names)
    options = PublicModelOptions.from_parameters({key: value.string_value for key, value in config.parameters.items()})
    assert tuple(options.encoders.split(",")) == encoders_of(names, profile)
    assert set(config.parameters) <= set(PublicModelOptions.__slots__)
    assert config.name == names.public
    if profile == "local":  # the server from PyPI has no other backend
        assert config_of(PHOBERT, "cpu_encoder", profile, names).backend == "python"


def test_published_names_do_not_change() -> None:
    assert encoders_of(triton_names(PUBLIC_MODEL), "gpu") == ("phobert_encoder", "phobert_encoder_cpu")
    assert encoders_of(triton_names(RERANKER), "gpu") == ("phobert_cross_encoder", "phobert_cross_encoder_cpu")
    assert encoders_of(triton_names("other"), "gpu") == ("other_encoder", "other_encoder_cpu")


def test_parameters_of_version_0_1_are_read() -> None:
    assert PublicModelOptions.from_parameters({"lanes": "3"}).max_concurrent_calls == 3


def warm_ups(config: Any) -> list[int]:
    return [sample.inputs[INPUT_IDS].dims[-1] for sample in config.model_warmup]


@given(
    max_tokens=st.integers(8, 32_768),
    buckets=st.sets(st.integers(1, 32_768), max_size=8),
    layout=st.sampled_from(["packed", "padded"]),
)
def test_warm_ups_and_plans_fit_any_model(max_tokens: int, buckets: set[int], layout: Layout) -> None:
    contract = msgspec.structs.replace(
        PHOBERT, max_tokens=max_tokens, length_buckets=tuple(sorted(buckets)), layout=layout
    )
    for role, profile in MODELS:
        config = config_of(contract, role, profile)
        lengths = warm_ups(config)
        assert lengths == sorted(set(lengths))
        if role == "gpu_encoder":
            assert lengths[-1] == max_tokens
        assert max(lengths, default=0) <= (CPU_WARM_UP_TOKENS if role == "cpu_encoder" else max_tokens)
    plan = profiles(contract)
    group = config_of(contract, "gpu_encoder", "tensorrt").instance_group[0]
    assert list(group.profile) == [str(index) for index in range(len(plan))]
    assert [shape.least[1] for shape in plan] == [1, *(shape.most[1] + 1 for shape in plan[:-1])]
    assert plan[-1].most[1] == max_tokens


@pytest.mark.parametrize(("max_tokens", "expected"), [(128, [16, 32, 64, 128]), (130, [16, 32, 64, 128, 130])])
def test_a_shorter_model_is_warmed_up_within_its_positions(max_tokens: int, expected: list[int]) -> None:
    contract = msgspec.structs.replace(PHOBERT, max_tokens=max_tokens)
    for role, profile in MODELS:
        assert warm_ups(config_of(contract, role, profile)) == ([] if role == "public_model" else expected)
    accelerator = config_of(contract, "gpu_encoder", "ort-tensorrt").optimization.execution_accelerators
    shapes = dict(accelerator.gpu_execution_accelerator[0].parameters)
    assert shapes["trt_profile_max_shapes"].endswith(f"x{max_tokens}")


def test_every_template_is_used_and_described() -> None:
    used = {f"{role}/{template}.pbtxt" for role, templates in TEMPLATE_OF.items() for template in templates.values()}
    assert {str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.pbtxt")} == used
    text = (TEMPLATES / "README.md").read_text(encoding="utf-8")
    assert [path for path in used if path.removesuffix(".pbtxt").split("/")[1] not in text] == []


@pytest.mark.parametrize(("role", "profile"), [("public_model", "gpu"), ("cpu_encoder", "cpu")])
def test_the_examples_in_the_readme_are_what_is_generated(role: Role, profile: Profile) -> None:
    text = (TEMPLATES / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"```protobuf\n(.*?)```", text, re.DOTALL)
    assert render_config(PHOBERT, NAMES[0], role, profile) in examples


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


def models_of(names: Any, profile: Profile) -> set[str]:
    return {name_of(names, role) for role in roles_of(profile)}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_repository_has_the_models_configurations_and_weights(model: Path, tmp_path: Path, profile: Profile) -> None:
    target = tmp_path / "repository"
    assemble_repository(model, target, profile=profile)
    assert {folder.name for folder in target.iterdir()} == models_of(NAMES[0], profile)
    for role in roles_of(profile):
        folder = target / name_of(NAMES[0], role)
        assert {path.stem for path in (folder / "configs").iterdir()} == set(TEMPLATE_OF[role])
        for path in (folder / "configs").iterdir():
            assert read_config(path).name == folder.name
        assert (folder / "config.pbtxt").read_bytes() == (folder / "configs" / f"{profile}.pbtxt").read_bytes()
        samples = read_config(folder / "config.pbtxt").model_warmup
        files = {item.input_data_file for sample in samples for item in sample.inputs.values()} - {""}
        for name in files:
            assert np.frombuffer((folder / "warmup" / name).read_bytes(), np.int32).tolist() == [int(name)]
    assert (target / CPU_ENCODER / "1" / "model.onnx").read_text() == "onnx/fp32.onnx"
    assert (target / CPU_ENCODER / "1" / "model.py").exists() == (profile == "local")
    if profile in GPU_WEIGHTS:
        weights = GPU_WEIGHTS[profile]
        assert (target / GPU_ENCODER / "1" / f"model{Path(weights).suffix}").read_text() == weights


def test_assembling_again_replaces_what_was_there(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "repository"
    assemble_repository(model, target, profile="gpu")
    assemble_repository(model, target, profile="cpu")
    assert {folder.name for folder in target.iterdir()} == {PUBLIC_MODEL, CPU_ENCODER}


def test_a_model_without_the_weights_a_profile_needs_is_an_error(model: Path, tmp_path: Path) -> None:
    (model / "onnx" / "fp16.onnx").unlink()
    with pytest.raises(ConfigurationError, match=r"fp16\.onnx"):
        assemble_repository(model, tmp_path / "repository", profile="gpu")
    assert not list(tmp_path.glob("repository*"))


def as_reranker(model: Path, target: Path) -> Path:
    shutil.copytree(model, target)
    save_contract(CONTRACTS["reranker"], target)
    return target


@pytest.mark.parametrize("profile", PROFILES)
def test_a_reranker_is_served_next_to_the_encoder(model: Path, tmp_path: Path, profile: Profile) -> None:
    target = tmp_path / "repository"
    assemble_repository(model, target, profile=profile, reranker=as_reranker(model, tmp_path / "reranker"))
    names = triton_names(RERANKER)
    assert {folder.name for folder in target.iterdir()} == models_of(NAMES[0], profile) | models_of(names, profile)
    assert (target / RERANKER / "1" / "model.py").is_file()
    assert (target / names.cpu_encoder / "1" / "model.py").exists() == (profile == "local")
    assert '"classifier"' in (target / RERANKER / "1" / "contract.json").read_text()


def test_a_model_of_the_other_task_is_an_error(model: Path, tmp_path: Path) -> None:
    reranker = as_reranker(model, tmp_path / "reranker")
    with pytest.raises(ConfigurationError, match="exported to rerank, not to embed"):
        assemble_repository(reranker, tmp_path / "repository", profile="local")
    with pytest.raises(ConfigurationError, match="exported to embed, not to rerank"):
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
    profile: Profile, parameter: str, pooling: Pooling, threads: str
) -> None:
    config = config_of(msgspec.structs.replace(CONTRACT, pooling=pooling), "cpu_encoder", profile)
    assert config.parameters[parameter].string_value == threads
