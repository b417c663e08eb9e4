import ctypes
import importlib.metadata
import importlib.util
import itertools
import sys
from pathlib import Path
from typing import Any

import pytest

from cli import triton_process
from cli.triton_process import RESTART_BACKOFF_S, TritonInstallation, TritonOptions, TritonPorts, triton_arguments
from phoserve.errors import ConfigurationError


def test_without_a_server_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"phoserve\[local\]"):
        TritonInstallation.find()


def test_numpy_2_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "2.1.0")
    with pytest.raises(ConfigurationError, match="numpy<2"):
        TritonInstallation.find()


def test_a_missing_libpython_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(triton_process, "_python_libraries", lambda: tmp_path)
    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(ConfigurationError, match="apt-get install libpython"):
        TritonInstallation.find()


def test_another_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Version(tuple[int, ...]):
        major, minor = 3, 99

    monkeypatch.setattr(sys, "version_info", Version((3, 99)))
    with pytest.raises(ConfigurationError, match=r"no Python backend for Python 3\.99"):
        TritonInstallation.find()


def test_the_server_listens_on_loopback_and_its_arguments_name_no_secret(tmp_path: Path) -> None:
    options = TritonOptions(tmp_path, "local", tmp_path, admin_secret="s3cret")
    arguments = triton_arguments(options, TritonPorts("127.0.0.1", 1, 2, 3), tmp_path)
    addresses = [value.split("=")[1] for value in arguments if "-address=" in value]
    assert addresses == ["127.0.0.1"] * 3
    assert not [value for value in arguments if "s3cret" in value]


def test_restarts_come_later_and_later_but_never_end() -> None:
    pauses = list(itertools.islice(triton_process._pauses(), 10))
    assert pauses == sorted(pauses)
    assert pauses[-1] == RESTART_BACKOFF_S[-1]
