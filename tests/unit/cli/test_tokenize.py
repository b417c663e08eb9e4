import json
import subprocess
import sys
from pathlib import Path

from tests.support.models import tiny_model
from tests.support.patience import patient


def tokenize(model: Path, lines: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "cli", "tokenize", "--model", str(model)]
    return subprocess.run(command, input=lines, capture_output=True, timeout=patient(60), check=False)


def test_a_json_object_for_each_line(tmp_path: Path) -> None:
    done = tokenize(tiny_model(tmp_path, max_tokens=5), "học sinh\r\n\nhọc. học, học".encode())
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"segmented": "học_sinh", "ids": [0, 4, 2], "truncated": False},
        {"segmented": "", "ids": [0, 2], "truncated": False},
        {"segmented": "học . học , học", "ids": [0, 5, 3, 5, 2], "truncated": True},
    ]


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    done = tokenize(tiny_model(tmp_path), b"a\n\xff\n")
    assert done.returncode == 1
    assert "line 2 is not UTF-8" in done.stderr.decode()


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    done = tokenize(tmp_path, b"")
    assert done.returncode == 1
    assert "phoserve export" in done.stderr.decode()
