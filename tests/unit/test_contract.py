from pathlib import Path

import msgspec
import pytest

from phoserve.contract import CONTRACT_FILE, Fusion, ModelContract, load_contract, save_contract
from phoserve.errors import ConfigurationError

CONTRACT = ModelContract(name="tiny", dim=8, tokenizer_sha256="a" * 64, weights_sha256="b" * 64)


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
    ],
)
def test_whatever_changes_vectors_changes_the_fingerprint(change: dict[str, object]) -> None:
    assert msgspec.structs.replace(CONTRACT, **change).fingerprint != CONTRACT.fingerprint


@pytest.mark.parametrize("change", [{"precisions": ("fp32", "int8")}, {"fusion": Fusion(dense=0.5, lexical=0.5)}])
def test_what_leaves_vectors_alone_keeps_the_fingerprint(change: dict[str, object]) -> None:
    assert msgspec.structs.replace(CONTRACT, **change).fingerprint == CONTRACT.fingerprint


def test_a_missing_contract_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="phoserve export"):
        load_contract(tmp_path)


def test_a_damaged_contract_names_the_fault(tmp_path: Path) -> None:
    (tmp_path / CONTRACT_FILE).write_text('{"name": "x", "dim": "eight"}')
    with pytest.raises(ConfigurationError, match="dim"):
        load_contract(tmp_path)
