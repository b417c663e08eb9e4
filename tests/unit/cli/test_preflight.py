import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections import namedtuple
from collections.abc import Iterator
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


OTHER_USER = 65534
AS_ANOTHER_USER = """
import os, sys
sys.path[:0] = eval(sys.argv[3])
from pathlib import Path
from cli.preflight import open_state
from phoserve.errors import ConfigurationError
os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
try:
    open_state(Path(sys.argv[1]))
except ConfigurationError as error:
    print(error)
"""


def open_as_another_user(folder: Path) -> str:
    command = [sys.executable, "-c", AS_ANOTHER_USER, str(folder), str(OTHER_USER), repr(sys.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other users can reach; those of pytest are private."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("private", ["folder", "lock"])
def test_a_state_of_another_user_is_named(public_folder: Path, private: str) -> None:
    state = public_folder / "state"
    open_state(state).close()
    if private == "lock":  # started with sudo once, and the folder was given back without its content
        os.chown(state, OTHER_USER, OTHER_USER)
    said = open_as_another_user(state)
    assert "belongs to the user root" in said
    assert "chown -R" in said
    assert "--state" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root opens the folders of all users")
def test_root_is_warned_that_the_state_is_another_users(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    os.chown(tmp_path / "state", OTHER_USER, OTHER_USER)
    with open_state(tmp_path / "state"):
        assert "state_of_another_user" in capsys.readouterr().out


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


@pytest.fixture(autouse=True)
def restored_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_this_user_reads_the_state(tmp_path: Path) -> None:
    with open_state(tmp_path / "state"):
        (tmp_path / "state" / "originals").mkdir()
        (tmp_path / "state" / "originals" / "d").write_text("x")
    found = {mode(path) for path in (tmp_path / "state").rglob("*") if path.is_file()}
    assert (mode(tmp_path / "state"), mode(tmp_path / "state" / "originals"), found) == (0o700, 0o700, {0o600})


def test_the_state_of_an_earlier_version_is_made_private(tmp_path: Path) -> None:
    state, outside = tmp_path / "state", tmp_path / "outside"
    (state / "index").mkdir(parents=True)
    outside.write_text("model")
    (state / "lock").touch()
    (state / "index" / "log").write_text("x")
    (state / "index" / "hard").hardlink_to(outside)
    (state / "index" / "soft").symlink_to(outside)
    for path in (state, state / "index"):
        path.chmod(0o755)
    open_state(state).close()
    modes = [mode(path) for path in (state, state / "index", state / "lock", state / "index" / "log", outside)]
    assert modes == [0o700, 0o700, 0o600, 0o600, 0o644]


def test_a_folder_with_other_content_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("x")
    tmp_path.chmod(0o755)
    open_state(tmp_path).close()
    assert (mode(tmp_path), mode(tmp_path / "letter.txt"), mode(tmp_path / "lock")) == (0o755, 0o644, 0o600)
