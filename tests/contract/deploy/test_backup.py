"""Saving and restoring, against the few requests of Qdrant's interface that it takes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.chart import LEAST, merged, named, pods, render
from tests.support.postgres_server import PostgresServer, postgres_programs
from tests.support.snapshots import Peer, backup

COMPONENT = "app.kubernetes.io/component"


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


def test_scheduled_backups_share_originals_and_the_oldest_are_removed(
    state: Path, peers: list[Peer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "backups"
    (root / "2020-01-01T000000Z").mkdir(parents=True)  # interrupted
    (root / "lost+found").mkdir()
    monkeypatch.setenv("KEEP", "2")
    made: list[Path] = []
    for number in range(2, 5):
        assert run("schedule", root, peers, state).returncode == 0
        made += [folder for folder in sorted(root.glob("*Z")) if folder not in made]
        (state / "kb" / f"d{number}").write_bytes(b"%d" % number)
        time.sleep(1.1)  # folders are named by the second
    _, second, third = made
    assert sorted(root.iterdir()) == [second, third, root / "lost+found"]
    shared = [folder / "originals" / "kb" / "d1" for folder in (second, third)]
    assert len({path.stat().st_ino for path in shared}) == 1
    assert shared[0].stat().st_ino != (state / "kb" / "d1").stat().st_ino
    (state / "kb" / "d1").unlink()
    assert run("schedule", root, peers, state).returncode == 0
    newest = max(root.glob("*Z"))
    assert sorted(path.name for path in (newest / "originals" / "kb").iterdir()) == ["d2", "d3", "d4"]
    assert (third / "originals" / "kb" / "d1").read_bytes() == b"an original"
    assert run("restore", third, peers, tmp_path / "fresh").returncode == 0
    assert (tmp_path / "fresh" / "kb" / "d1").read_bytes() == b"an original"


def test_a_scheduled_backup_that_fails_costs_no_older_one(
    state: Path, peers: list[Peer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "backups"
    monkeypatch.setenv("KEEP", "1")
    assert run("schedule", root, peers, state).returncode == 0
    [whole] = root.iterdir()
    time.sleep(1.1)
    peers[0].damaged = True
    assert run("schedule", root, peers, state).returncode == 1
    assert (whole / "manifest.json").exists()
    peers[0].damaged = False
    time.sleep(1.1)
    assert run("schedule", root, peers, state).returncode == 0
    [left] = root.iterdir()
    assert (left / "manifest.json").exists()
    assert left != whole


def test_the_chart_runs_commands_of_the_script(state: Path, peers: list[Peer], tmp_path: Path) -> None:
    manifests = render(merged(LEAST, {"backup": {"enabled": True, "restore": "NAME"}}))
    jobs = {name: pod["spec"] for name, pod in pods(manifests) if pod["metadata"]["labels"][COMPONENT] == "backup"}
    assert len(jobs) == 2
    arguments = {spec["containers"][0]["args"][0]: spec["containers"][0]["args"][1] for spec in jobs.values()}
    assert arguments == {"schedule": "/backup", "restore": "/backup/NAME"}
    assert run("schedule", tmp_path / "backup", peers, state).returncode == 0
    [made] = (tmp_path / "backup").iterdir()
    assert run("restore", made, peers, state).returncode == 0
    for name, spec in jobs.items():
        variables = {each["name"] for each in spec["containers"][0]["env"]}
        assert {"REGISTRY_URL", "PGPASSWORD", "QDRANT_URL", "QDRANT_API_KEY", "SOURCES", "KEEP"} <= variables, name
        [originals] = [each for each in spec["containers"][0]["volumeMounts"] if each["name"] == "originals"]
        assert originals["readOnly"] == name.startswith("CronJob")


def test_backups_reach_what_they_save_and_nothing_reaches_them() -> None:
    manifests = render(merged(LEAST, {"backup": {"enabled": True}, "qdrant": {"replicas": 3}}))
    for part, port in (("qdrant", "http"), ("postgres", "postgres")):
        rules = named(manifests, "NetworkPolicy", f"phoserve-{part}")["spec"]["ingress"]
        [peer] = [
            peer["podSelector"]["matchExpressions"][0]["values"]
            for rule in rules
            if {"port": port} in rule.get("ports", [])
            for peer in rule["from"]
            if "backup" in peer.get("podSelector", {}).get("matchExpressions", [{"values": []}])[0]["values"]
        ]
        assert "api" in peer
    own = named(manifests, "NetworkPolicy", "phoserve-backup")["spec"]
    assert "ingress" not in own
    without = render(LEAST)
    assert not [each for each in without if "backup" in each["metadata"]["name"]]
    for part in ("qdrant", "postgres"):
        assert "backup" not in str(named(without, "NetworkPolicy", f"phoserve-{part}"))


@pytest.mark.parametrize("engine", ["none", "hpa", "keda"])
def test_nothing_writes_while_a_backup_is_restored(engine: str) -> None:
    scaling = {"autoscaling": {"engine": engine}}
    values = merged(LEAST, {"api": scaling, "workers": {"interactive": scaling, "bulk": scaling}})
    if engine == "keda":
        values = merged(values, {"api": {"autoscaling": {"engine": "hpa"}}})
    writers = ("phoserve-api", "phoserve-worker-interactive", "phoserve-worker-bulk")
    kept = scalers_and_replicas(render(values), writers)
    assert all(count != 0 for count in kept.values())
    assert scalers_and_replicas(render(merged(values, {"backup": {"restore": "NAME"}})), writers) == dict.fromkeys(
        writers, 0
    )


def scalers_and_replicas(manifests: list[dict[str, Any]], names: tuple[str, ...]) -> dict[str, Any]:
    """The replicas of each Deployment, or the kind of what scales it."""
    found: dict[str, Any] = {name: named(manifests, "Deployment", name)["spec"].get("replicas") for name in names}
    for each in manifests:
        if each["kind"] in {"HorizontalPodAutoscaler", "ScaledObject"} and each["metadata"]["name"] in names:
            found[each["metadata"]["name"]] = each["kind"]
    return found
