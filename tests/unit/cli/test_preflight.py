import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from pytest_socket import enable_socket

from cli.preflight import listening_socket, open_state
from phoserve.errors import ConfigurationError


def test_the_state_folder_is_made(tmp_path: Path) -> None:
    with open_state(tmp_path / "a" / "state"):
        assert (tmp_path / "a" / "state").is_dir()


def test_a_second_platform_on_one_state_is_refused(tmp_path: Path) -> None:
    with open_state(tmp_path), pytest.raises(ConfigurationError, match="another phoserve runs"):
        open_state(tmp_path)


def test_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    open_state(tmp_path).close()
    open_state(tmp_path).close()


def test_a_state_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(ConfigurationError, match="--state"):
        open_state(tmp_path / "state")


def test_a_read_only_place_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        open_state(Path("/proc/phoserve"))


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 0))
    with pytest.raises(ConfigurationError, match="is full"):
        open_state(tmp_path)


@pytest.fixture
def sockets() -> None:
    enable_socket()


@pytest.mark.usefixtures("sockets")
def test_a_taken_port_is_refused() -> None:
    with listening_socket("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(ConfigurationError, match="is in use"):
            listening_socket("127.0.0.1", taken.getsockname()[1])


@pytest.mark.usefixtures("sockets")
def test_a_foreign_address_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="--host"):
        listening_socket("192.0.2.1", 0)
