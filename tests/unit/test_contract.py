from pathlib import Path

import msgspec
import pytest

from phoserve.contract import CONTRACT_FILE, Fusion, ModelContract, load_contract, save_contract, served_names
from phoserve.errors import ConfigurationError

CONTRACT = ModelContract(name="tiny", dim=8, tokenizer_sha256="a" * 64, weights_sha256="b" * 64)
BUNDLED_FINGERPRINT = "c1d0bf34c8644e14"  # as version 0.1 computes it


def test_a_contract_survives_its_file(tmp_path: Path) -> None:
    save_contract(CONTRACT, tmp_path)
    assert load_contract(tmp_path) == CONTRACT


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": "c" * 64},
        {"modern_tones": True},
        {"pooling": "cls"},
        {"max_tokens": 128},
        {"query_prefix": "q: "},
        {"tokenizer": "huggingface"},
    ],
)
def test_whatever_changes_vectors_changes_the_fingerprint(change: dict[str, object]) -> None:
    assert msgspec.structs.replace(CONTRACT, **change).fingerprint != CONTRACT.fingerprint


@pytest.mark.parametrize(
    "change", [{"precisions": ("fp32", "int8")}, {"dims": (4,)}, {"fusion": Fusion(dense=0.5, lexical=0.5)}]
)
def test_what_leaves_vectors_alone_keeps_the_fingerprint(change: dict[str, object]) -> None:
    assert msgspec.structs.replace(CONTRACT, **change).fingerprint == CONTRACT.fingerprint


def test_a_missing_contract_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="phoserve export"):
        load_contract(tmp_path)


def test_a_damaged_contract_names_the_fault(tmp_path: Path) -> None:
    (tmp_path / CONTRACT_FILE).write_text('{"name": "x", "dim": "eight"}')
    with pytest.raises(ConfigurationError, match="dim"):
        load_contract(tmp_path)


def test_contracts_of_version_0_1_load_with_the_same_fingerprint() -> None:
    bundled = load_contract(Path("export/bundled"))
    assert (bundled.tokenizer, bundled.family, bundled.padding_id) == ("phobert", "roberta", 1)
    assert bundled.fingerprint == BUNDLED_FINGERPRINT


def named(name: str, **changes: object) -> ModelContract:
    return msgspec.structs.replace(CONTRACT, name=name, **changes)


def test_models_are_served_under_their_own_names() -> None:
    hf = {"tokenizer": "huggingface"}
    rerank = {"pooling": "classifier", "dim": 1}
    assert served_names([named("BAAI/bge-m3", **hf)]) == ["bge-m3"]
    assert served_names([named("team/my model (v2)", **hf)]) == ["my-model-v2"]
    assert served_names([named("other/phobert")]) == ["phobert_simcse"]  # as in version 0.1
    assert served_names([named("a"), named("VoVanPhuc/sup-SimCSE-VietNamese-phobert-base")]) == ["a", "phobert_simcse"]
    assert served_names([named("a"), named("b"), named("r", **rerank), named("q", **rerank, **hf)]) == [
        "phobert_simcse",
        "b",
        "phobert_reranker",
        "q",
    ]


@pytest.mark.parametrize("names", [("x/same", "y/same"), ("model", "model_encoder")])
def test_two_models_of_one_name_are_an_error(names: tuple[str, str]) -> None:
    contracts = [named(name, tokenizer="huggingface") for name in names]
    with pytest.raises(ConfigurationError, match="phoserve export --name"):
        served_names(contracts)
