"""Saving and restoring, against the few requests of Qdrant's interface that it takes."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres_server import PostgresServer, postgres_programs
from tests.support.snapshots import Peer, backup


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    servers = [Peer(), Peer()]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield servers
    for server in servers:
        server.shutdown()
        server.server_close()


def run(action: str, folder: Path, peers: list[Peer], sources: Path) -> subprocess.CompletedProcess[str]:
    return backup(action, folder, sources, *(peer.url for peer in peers))


@pytest.fixture
def state(peers: list[Peer], tmp_path: Path) -> Path:
    """A platform with something to lose; returns its folder of originals."""
    for number, peer in enumerate(peers):
        peer.collections = {"documents": b"registry %d" % number, "passages@abc": bytes(range(256)) * 9000}
    peers[0].aliases = [{"alias_name": "passages", "collection_name": "passages@abc"}]
    originals = tmp_path / "originals"
    (originals / "kb").mkdir(parents=True)
    (originals / "kb" / "d1").write_bytes(b"an original")
    return originals


def test_what_was_saved_comes_back(state: Path, peers: list[Peer], tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    assert run("save", backup, peers, state).returncode == 0
    assert not any(peer.snapshots for peer in peers), "snapshots left behind would fill the volume"
    before = [peer.collections for peer in peers]
    aliases = peers[0].aliases
    for peer in peers:
        peer.collections, peer.aliases = {}, []
    outcome = run("restore", backup, peers, tmp_path / "fresh")
    assert outcome.returncode == 0, outcome.stderr
    assert [peer.collections for peer in peers] == before
    assert peers[0].aliases == aliases
    assert (tmp_path / "fresh" / "kb" / "d1").read_bytes() == b"an original"


def test_a_damaged_download_is_no_backup(state: Path, peers: list[Peer], tmp_path: Path) -> None:
    peers[0].damaged = True
    outcome = run("save", tmp_path / "backup", peers, state)
    assert outcome.returncode == 1
    assert "damaged" in outcome.stderr
    assert not (tmp_path / "backup" / "manifest.json").exists()


def test_a_damaged_file_stops_the_restore_before_it_begins(state: Path, peers: list[Peer], tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    run("save", backup, peers, state)
    (backup / "peer1-documents.snapshot").write_bytes(b"broken")
    before = [dict(peer.collections) for peer in peers]
    peers[0].collections["documents"] = b"newer"
    outcome = run("restore", backup, peers, state)
    assert outcome.returncode == 1
    assert "peer1-documents.snapshot is damaged" in outcome.stderr
    assert peers[0].collections["documents"] == b"newer"
    assert peers[1].collections == before[1]


def test_what_is_wrong_is_said_in_a_line(state: Path, peers: list[Peer], tmp_path: Path) -> None:
    urls = [peer.url for peer in peers]
    for outcome, said in (
        (backup("save", tmp_path / "b", state, *urls, key="wrong"), "Check QDRANT_URL and QDRANT_API_KEY"),
        (backup("save", tmp_path / "b", tmp_path / "nowhere", *urls), "which is not a folder"),
        (backup("restore", tmp_path / "b", state, *urls), "has no manifest.json"),
        (backup("restore", tmp_path / "b", state, "http://127.0.0.1:1"), "has no manifest.json"),
        (backup("save", tmp_path / "b", state, "http://127.0.0.1:1"), "Connection refused"),
    ):
        assert outcome.returncode == 1
        assert said in outcome.stderr
        assert "Traceback" not in outcome.stderr


def test_fewer_peers_than_were_saved(state: Path, peers: list[Peer], tmp_path: Path) -> None:
    run("save", tmp_path / "backup", peers, state)
    outcome = run("restore", tmp_path / "backup", peers[:1], state)
    assert "the backup has 2 peers" in outcome.stderr


def test_the_registry_comes_back(
    state: Path, peers: list[Peer], tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = postgres_programs()
    assert programs is not None
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    url = postgres.new_database()
    monkeypatch.setenv("REGISTRY_URL", url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE documents AS SELECT 'Điều 1' AS title")
        saved = run("save", tmp_path / "backup", peers, state)
        assert saved.returncode == 0, saved.stderr
        connection.execute("UPDATE documents SET title = 'lost'")
        connection.execute("CREATE TABLE later (id integer)")
    restored = run("restore", tmp_path / "backup", peers, tmp_path / "fresh")
    assert restored.returncode == 0, restored.stderr
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT title FROM documents").fetchall() == [("Điều 1",)]
    monkeypatch.delenv("REGISTRY_URL")
    assert "set REGISTRY_URL" in run("restore", tmp_path / "backup", peers, tmp_path / "fresh").stderr
    assert "not part of this backup" in run("save", tmp_path / "other", peers, state).stderr


REPLACED_MEANWHILE = """#!{python}
import os, subprocess, sys
import psycopg

is_first = os.path.exists("{originals}/later")
if is_first:
    os.rename("{originals}/later", "{originals}/kb/d2")  # arrives after the first copy
subprocess.run(["{pg_dump}", *sys.argv[1:]], check=True)
if is_first:
    with psycopg.connect("{url}") as connection:
        connection.execute("UPDATE documents SET original_key = 'kb/d3'")
    os.rename("{originals}/kb/d2", "{originals}/kb/d3")
"""


def test_an_original_that_is_replaced_while_the_registry_is_saved(
    state: Path, peers: list[Peer], tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It arrives after the first copy and is deleted before the second one: the dump that names it is repeated."""
    programs = postgres_programs()
    assert programs is not None
    url = postgres.new_database()
    pg_dump = tmp_path / "bin" / "pg_dump"
    pg_dump.parent.mkdir()
    script = REPLACED_MEANWHILE.format(python=sys.executable, pg_dump=programs / "pg_dump", originals=state, url=url)
    pg_dump.write_text(script)
    pg_dump.chmod(0o755)
    (state / "later").write_bytes(b"replaced soon")
    monkeypatch.setenv("PATH", f"{pg_dump.parent}{os.pathsep}{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("REGISTRY_URL", url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE documents (id integer, original_key text, title text)")
        connection.execute("INSERT INTO documents VALUES (1, 'kb/d2', 'Điều 1')")
    saved = run("save", tmp_path / "backup", peers, state)
    assert saved.returncode == 0, saved.stderr
    assert "1 documents changed during the backup" in saved.stdout
    assert "missing" not in saved.stderr
    assert run("restore", tmp_path / "backup", peers, tmp_path / "fresh").returncode == 0
    with psycopg.connect(url) as connection:
        [(key,)] = connection.execute("SELECT original_key FROM documents").fetchall()
    assert (tmp_path / "fresh" / key).read_bytes() == b"replaced soon"


def test_originals_that_were_lost_before_a_backup_are_reported(
    state: Path, peers: list[Peer], tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{postgres_programs()}{os.pathsep}{os.environ['PATH']}")
    url = postgres.new_database()
    monkeypatch.setenv("REGISTRY_URL", url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE documents AS SELECT 'kb/lost' AS original_key")
    saved = run("save", tmp_path / "backup", peers, state)
    assert saved.returncode == 0
    assert "the originals of 1 documents are missing: run `phoserve doctor`" in saved.stderr
    assert (tmp_path / "backup" / "manifest.json").exists()
