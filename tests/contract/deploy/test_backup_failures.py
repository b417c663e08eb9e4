"""Backups and restores that fail or are interrupted: the message, the exit status, and what is left."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from phoserve.adapters.sources import ObjectStoreSources
from phoserve.adapters.sql.schema import migrate_now, newest_version
from phoserve.adapters.sql.tables import tables
from tests.support.postgres_server import PASSWORD, PostgresServer, postgres_programs
from tests.support.s3 import BUCKET, s3_server
from tests.support.schema import migrate_to
from tests.support.snapshots import SCRIPT, Peer, backup, start_backup
from tests.support.waiting import wait_until


@pytest.fixture
def peer() -> Iterator[Peer]:
    server = Peer()
    server.collections = {"passages@abc": bytes(range(256)) * 9000}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    folder = tmp_path / "originals"
    (folder / "kb").mkdir(parents=True)
    (folder / "kb" / "d1").write_bytes(b"an original")
    return folder


@pytest.fixture
def registry(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty registry that the script saves and restores."""
    monkeypatch.setenv("PATH", f"{postgres_programs()}{os.pathsep}{os.environ['PATH']}")
    url = postgres.new_database()
    migrate_now(url)
    monkeypatch.setenv("REGISTRY_URL", url)
    monkeypatch.setenv("WAIT_S", "0")
    return url


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with s3_server() as environment:
        url = f"{environment['AWS_ENDPOINT_URL']}/{BUCKET}/originals/kb/d1"
        httpx.put(url, content=b"an original").raise_for_status()
        yield environment


@pytest.fixture
def bucket(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a prefix in an S3 service that only AWS_ENDPOINT names, as the platform's own client reads it."""
    for name, value in s3.items():
        monkeypatch.setenv({"AWS_ENDPOINT_URL": "AWS_ENDPOINT"}.get(name, name), value)
    return f"s3://{BUCKET}/originals"


def stored(location: str, key: str) -> bytes:
    return asyncio.run(ObjectStoreSources(location).read(key))


def failed(outcome: "subprocess.CompletedProcess[str]", message: str, *, status: int = 1) -> None:
    assert outcome.returncode == status, outcome
    assert message in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert PASSWORD not in outcome.stderr


def test_originals_in_a_bucket(peer: Peer, bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    assert backup("save", folder, bucket, peer.url).returncode == 0
    assert (folder / "originals" / "kb" / "d1").read_bytes() == b"an original"
    empty = f"s3://{BUCKET}/elsewhere"
    restored = backup("restore", folder, empty, peer.url)
    assert restored.returncode == 0, restored.stderr
    assert stored(empty, "kb/d1") == b"an original"


def test_scheduled_backups_of_a_bucket_share_files_and_are_copied_elsewhere(
    peer: Peer, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPLOAD", f"s3://{BUCKET}/backups/")
    for _ in range(2):
        outcome = backup("schedule", tmp_path / "root", bucket, peer.url)
        assert outcome.returncode == 0, outcome.stderr
        time.sleep(1.1)  # folders are named by the second
    first, second = sorted((tmp_path / "root").iterdir())
    assert (first / "originals/kb/d1").stat().st_ino == (second / "originals/kb/d1").stat().st_ino
    for folder in (first, second):
        copied = f"s3://{BUCKET}/backups/{folder.name}"
        assert stored(copied, "originals/kb/d1") == b"an original"
        assert stored(copied, "manifest.json") == (folder / "manifest.json").read_bytes()


@pytest.mark.parametrize(
    ("variables", "sources", "message"),
    [
        ({}, "s3://missing/originals", "Check the bucket, the credentials"),
        ({"AWS_ENDPOINT": "http://127.0.0.1:1"}, f"s3://{BUCKET}/originals", "Check the bucket, the credentials"),
        ({"AWS_ACCESS_KEY_ID": ""}, f"s3://{BUCKET}/originals", "Check the bucket, the credentials"),
        ({"PATH": "/nowhere"}, f"s3://{BUCKET}/originals", "aws is not installed"),
        ({}, "gs://bucket/originals", "only a folder or s3://BUCKET/PREFIX is copied"),
    ],
)
@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_cannot_be_used(
    peer: Peer, variables: dict[str, str], sources: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    failed(backup("save", tmp_path / "backup", sources, peer.url), message)
    assert not (tmp_path / "backup" / "manifest.json").exists()


def test_the_command_line(peer: Peer, originals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True, check=True)
    assert "usage: backup.py" in shown.stdout
    failed(backup("sav", tmp_path, originals, peer.url), "usage: backup.py", status=2)
    for value in ("0", "-1", "seven"):
        monkeypatch.setenv("KEEP", value)
        failed(backup("schedule", tmp_path / "root", originals, peer.url), f"KEEP is {value}")


def test_a_registry_that_cannot_be_saved(
    peer: Peer, originals: Path, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url, message in (
        (registry.replace(PASSWORD, "wrong"), "authentication failed"),
        (f"{registry}x", "does not exist"),
        ("postgresql://phoserve:only@127.0.0.1:1/registry", "Connection refused"),
    ):
        monkeypatch.setenv("REGISTRY_URL", url)
        failed(backup("save", tmp_path / "backup", originals, peer.url), "pg_dump failed: ")
        failed(backup("save", tmp_path / "backup", originals, peer.url), message)
    monkeypatch.setenv("PATH", "/nowhere")
    failed(backup("save", tmp_path / "backup", originals, peer.url), "pg_dump is not installed")


def test_a_password_with_any_characters_and_the_url_of_the_platform(
    postgres: PostgresServer,
    peer: Peer,
    originals: Path,
    registry: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    postgres.execute("CREATE ROLE backup SUPERUSER LOGIN PASSWORD 'p@ss:w/rd%#? &='")
    url = registry.replace(f"phoserve:{PASSWORD}", "backup:p%40ss%3Aw%2Frd%25%23%3F%20%26%3D")
    monkeypatch.setenv("REGISTRY_URL", url.replace("postgresql://", "postgresql+psycopg://"))
    outcome = backup("save", tmp_path / "backup", originals, peer.url)
    postgres.execute("DROP ROLE backup")
    assert outcome.returncode == 0, outcome.stderr


def test_a_backup_from_before_an_upgrade_replaces_a_newer_registry(
    postgres: PostgresServer,
    peer: Peer,
    originals: Path,
    tmp_path: Path,
    registry: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    older = postgres.new_database()
    migrate_to(older, "0005")
    with psycopg.connect(older) as connection:
        connection.execute("INSERT INTO imports VALUES ('saved', 1)")
    monkeypatch.setenv("REGISTRY_URL", older)
    assert backup("save", tmp_path / "backup", originals, peer.url).returncode == 0
    monkeypatch.setenv("REGISTRY_URL", registry)
    with psycopg.connect(registry) as connection:
        connection.execute("CREATE TABLE of_another_program (id integer)")
    outcome = backup("restore", tmp_path / "backup", originals, peer.url)
    assert outcome.returncode == 0, outcome.stderr
    assert migrate_now(registry) == ("0005", newest_version())
    with psycopg.connect(registry) as connection:
        assert connection.execute("SELECT source FROM imports").fetchall() == [("saved",)]
        connection.execute("SELECT * FROM of_another_program")


def test_the_script_knows_every_table() -> None:
    names = subprocess.run(
        [sys.executable, "-c", "import backup; print(*backup.TABLES)"],
        cwd=SCRIPT.parent,
        capture_output=True,
        text=True,
    )
    assert set(names.stdout.split()) == set(tables.tables)


def test_a_restore_waits_for_the_platform(
    peer: Peer, originals: Path, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert backup("save", tmp_path / "backup", originals, peer.url).returncode == 0
    peer.collections["passages@abc"] = b"newer"
    with psycopg.connect(registry, application_name="phoserve") as connection:
        connection.execute("INSERT INTO imports VALUES ('newer', 1)")
        connection.commit()
        refused = backup("restore", tmp_path / "backup", originals, peer.url)
        failed(refused, "the platform has 1 open connections to the registry: scale the API and the workers to 0")
        assert connection.execute("SELECT source FROM imports").fetchall() == [("newer",)]
        assert peer.collections["passages@abc"] == b"newer"
        connection.commit()
        monkeypatch.setenv("WAIT_S", "60")
        waiting = start_backup("restore", tmp_path / "backup", originals, peer.url)
        assert waiting.stdout is not None
        assert "scale the API and the workers to 0" in waiting.stdout.readline()
    assert waiting.wait(60) == 0
    waiting.communicate()
    with psycopg.connect(registry) as connection:
        assert connection.execute("SELECT source FROM imports").fetchall() == []


def test_texts_with_unusual_ends_of_lines(peer: Peer, originals: Path, registry: str, tmp_path: Path) -> None:
    with psycopg.connect(registry) as connection:
        connection.execute("DROP TABLE documents")
        connection.execute("CREATE TABLE documents (title text, original_key text)")
        title = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\r\nh\ti\\j\rk"
        connection.execute("INSERT INTO documents VALUES (%s, 'kb/d1'), ('', 'kb/lost')", [title])
    outcome = backup("save", tmp_path / "backup", originals, peer.url)
    assert outcome.returncode == 0, outcome.stderr
    assert "the originals of 1 documents are missing" in outcome.stderr


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system is mounted as root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk(peer: Peer, originals: Path, registry: str, tmp_path: Path) -> None:
    assert registry
    with small_disk(tmp_path / "disk", "1m") as disk:
        failed(backup("schedule", disk, originals, peer.url), "No space left on device")
        [folder] = disk.iterdir()
        assert not (folder / "manifest.json").exists()
        assert peer.snapshots == {}, "a snapshot left there would fill Qdrant's volume"
        time.sleep(1.1)  # folders are named by the second
        (originals / "kb" / "large").write_bytes(bytes(2_000_000))
        failed(backup("schedule", disk, originals, peer.url), "No space left on device")
        assert folder not in disk.iterdir(), "the interrupted one makes way"


def test_a_backup_that_is_stopped(peer: Peer, originals: Path, tmp_path: Path) -> None:
    """SIGTERM leaves no snapshot behind; after SIGKILL the next scheduled backup removes what there is of the last."""
    root = tmp_path / "root"
    for number in (signal.SIGTERM, signal.SIGKILL):
        peer.held = "GET /collections/passages@abc"
        peer.requests.clear()
        process = start_backup("schedule", root, originals, peer.url)
        wait_until(lambda: any(each.startswith(peer.held) for each in peer.requests), timeout_s=30)
        process.send_signal(number)
        _, errors = process.communicate()
        assert process.returncode
        assert "Traceback" not in errors
        assert not list(root.glob("*/manifest.json"))
        assert peer.snapshots == {} or number is signal.SIGKILL
        time.sleep(1.1)  # folders are named by the second
    peer.released.set()
    done = backup("schedule", root, originals, peer.url)
    assert done.returncode == 0, done.stderr
    assert "was interrupted: removed" in done.stdout
    assert len(list(root.iterdir())) == 1


def test_a_restore_that_was_killed_is_repeated(peer: Peer, originals: Path, registry: str, tmp_path: Path) -> None:
    with psycopg.connect(registry) as connection:
        connection.execute("INSERT INTO imports VALUES ('saved', 1)")
    assert backup("save", tmp_path / "backup", originals, peer.url).returncode == 0
    saved, peer.collections = dict(peer.collections), {}
    shutil.rmtree(originals)
    peer.held = "POST /collections/passages@abc/snapshots/upload"
    peer.requests.clear()
    process = start_backup("restore", tmp_path / "backup", originals, peer.url)
    wait_until(lambda: any(each.startswith(peer.held) for each in peer.requests), timeout_s=30)
    process.kill()
    process.communicate()
    peer.held = ""
    assert backup("restore", tmp_path / "backup", originals, peer.url).returncode == 0
    assert peer.collections == saved
    assert (originals / "kb" / "d1").read_bytes() == b"an original"
    with psycopg.connect(registry) as connection:
        assert connection.execute("SELECT source FROM imports").fetchall() == [("saved",)]


def test_an_incomplete_copy_of_a_backup(peer: Peer, originals: Path, registry: str, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    assert registry
    assert backup("save", folder, originals, peer.url).returncode == 0
    failed(backup("restore", folder, "", peer.url), "this backup has originals: set SOURCES")
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(manifest[: len(manifest) // 2])
    failed(backup("restore", folder, originals, peer.url), "manifest.json or an answer of Qdrant cannot be read")
    (folder / "manifest.json").write_text(manifest)
    (folder / "peer0-passages@abc.snapshot").unlink()
    failed(
        backup("restore", folder, originals, peer.url), "peer0-passages@abc.snapshot is missing: copy the whole backup"
    )


def test_a_backup_that_is_repeated_into_its_folder_is_complete_only_at_its_end(
    peer: Peer, originals: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    assert backup("save", folder, originals, peer.url).returncode == 0
    peer.damaged = True
    failed(backup("save", folder, originals, peer.url), "damaged")
    failed(backup("restore", folder, originals, peer.url), "has no manifest.json")
