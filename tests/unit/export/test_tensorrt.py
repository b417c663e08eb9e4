from pathlib import Path

import pytest

from export.tensorrt import build_plan, main, profiles, trtexec_command
from export.triton_config import GPU_BATCH_TOKENS
from phoserve.contract import ModelContract, save_contract
from phoserve.errors import ConfigurationError
from phoserve.serving.scheduler import WINDOW_TEXTS

CONTRACT = ModelContract(name="any", dim=8, tokenizer_sha256="a" * 64, weights_sha256="b" * 64)


def test_every_bucket_has_a_profile_that_holds_a_full_batch() -> None:
    found = profiles(CONTRACT)
    assert [profile.most[1] for profile in found] == list(CONTRACT.length_buckets)
    shortest = 1
    for profile in found:
        assert profile.least == (1, shortest)
        assert profile.usual[1] == profile.most[1]
        assert profile.most[0] == min(WINDOW_TEXTS, GPU_BATCH_TOKENS // shortest)
        assert profile.usual[0] <= profile.most[0]
        shortest = profile.most[1] + 1


def test_trtexec_builds_the_same_profiles() -> None:
    command = trtexec_command(Path("/models/m"), CONTRACT)
    assert [word for word in command if word.startswith("--profile=")] == [f"--profile={index}" for index in range(5)]
    assert "--minShapes=INPUT_IDS:1x129" in command
    assert "--maxShapes=INPUT_IDS:127x256" in command


def test_without_the_plain_graph_it_says_what_to_do(tmp_path: Path) -> None:
    save_contract(CONTRACT, tmp_path)
    with pytest.raises(ConfigurationError, match="--gpu"):
        build_plan(tmp_path)


def test_without_tensorrt_it_says_where_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_contract(CONTRACT, tmp_path)
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "plain.onnx").touch()
    assert main([str(tmp_path)]) == 1
    assert "inside the Triton container" in capsys.readouterr().err


def test_the_command_line_can_be_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_contract(CONTRACT, tmp_path)
    assert main([str(tmp_path), "--print-trtexec"]) == 0
    assert capsys.readouterr().out.startswith("trtexec --onnx=")
