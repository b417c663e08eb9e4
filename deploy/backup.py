#!/usr/bin/env python3
"""Save and restore a release's state: the registry, the originals, Qdrant's collections and aliases.

usage: backup.py save|restore|schedule FOLDER

`schedule` saves to a new folder in FOLDER, named for the time, and removes the oldest ones. KEEP complete backups stay,
7 by default. Originals that the newest one has are hard links to it. With UPLOAD=s3://... the new one is copied there.

Set REGISTRY_URL (postgresql://USER:PASSWORD@HOST/NAME), QDRANT_URL (several peers: separated by spaces), QDRANT_API_KEY
and SOURCES (a folder or s3://...). It needs Python, pg_dump, pg_restore and psql, and `aws` for s3://. An S3 service
other than Amazon's is named by AWS_ENDPOINT_URL or AWS_ENDPOINT. The exit status is 0, 1 for a failure or 2 for a wrong
command line.

The platform may run during `save`. Originals are copied before and after the registry. If documents were replaced, the
registry is saved again, so that every original that a saved record names is there. Passages that differ from the
restored registry are rebuilt by `phoserve doctor --repair`.

`restore` replaces everything. It waits up to WAIT_S seconds, 1200 by default, until the platform has closed its
connections to the registry.
"""

import contextlib
import hashlib
import http.client
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

BLOCK = 1 << 20
TIMEOUT_S = 3600
REPEATED = 5
TABLES = (
    *("collections", "documents", "document_counts", "filter_keys"),
    *("imports", "answers", "api_keys", "audit_events"),
)
"""Tables of the registry."""
CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'phoserve'"


def save_scheduled(root: Path, peers: list[str], sources: str | None) -> None:
    """Save to a new folder, copy it to UPLOAD, and remove old backups and what interrupted ones left."""
    keep = number_of("KEEP", "7", at_least=1)
    root.mkdir(parents=True, exist_ok=True)
    backups = sorted(manifest.parent for manifest in root.glob("*/manifest.json"))
    for folder in root.glob("*Z"):
        if folder.is_dir() and folder not in backups:
            print(f"{folder.name} was interrupted: removed")
            shutil.rmtree(folder)
    folder = root / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    save(folder, peers, sources, backups[-1] if backups else None)
    if upload := os.environ.get("UPLOAD"):
        copy(str(folder), f"{upload.rstrip('/')}/{folder.name}")
    # Removed at the end: a backup that fails costs no older one.
    for old in [*backups, folder][:-keep]:
        shutil.rmtree(old)
        print(f"{old.name}: removed, {keep} newer ones are kept")
    print(f"{folder.name} is complete")


def save(folder: Path, peers: list[str], sources: str | None, previous: Path | None = None) -> None:
    """Write the registry, the originals, snapshots of every collection of every peer, and the aliases."""
    sources = check_sources(sources)
    if sources and "://" not in sources and not Path(sources).is_dir():
        sys.exit(
            f"SOURCES is {sources}, which is not a folder: set it to the folder with the originals, or to s3://BUCKET/PREFIX"
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)  # until it is complete again
    if not sources:
        print("SOURCES is not set: the originals are not part of this backup", file=sys.stderr)
    if sources:
        copy(sources, str(folder / "originals"), previous and previous / "originals")
    registry = save_registry(folder)
    if sources:
        copy(sources, str(folder / "originals"))
    if sources and registry:
        registry = save_until_complete(folder, sources, registry)
    manifest = {"registry": registry, "snapshots": [], "aliases": ask(peers[0], "GET", "/aliases")["aliases"]}
    for number, peer in enumerate(peers):
        for collection in sorted(each["name"] for each in ask(peer, "GET", "/collections")["collections"]):
            made = ask(peer, "POST", f"/collections/{collection}/snapshots?wait=true")
            name = f"peer{number}-{collection.replace('/', '_')}.snapshot"
            path = f"/collections/{collection}/snapshots/{made['name']}"
            try:
                digest = download(peer, path, folder / name)
            finally:  # it would fill Qdrant's volume
                ask(peer, "DELETE", path)
            if made.get("checksum") not in {None, digest}:
                sys.exit(f"{name} is damaged: its SHA-256 is {digest}, not {made['checksum']}. Run the backup again")
            manifest["snapshots"].append({"file": name, "peer": number, "collection": collection, "sha256": digest})
            print(f"{name}: {(folder / name).stat().st_size} bytes")
    # Written last, and after everything else is on the disk, so that a folder with a manifest is complete.
    os.sync()
    partial = folder / "manifest.json.part"
    partial.write_text(json.dumps(manifest, indent=2))
    os.sync()
    partial.replace(folder / "manifest.json")


def save_until_complete(folder: Path, sources: str, registry: dict[str, Any]) -> dict[str, Any]:
    """Dump the registry again while records name originals that were deleted before they were copied.

    That happens to documents that arrive and are replaced or deleted during the backup.
    """
    missing = missing_originals(folder)
    for _ in range(REPEATED):
        if not missing:
            return registry
        print(f"{len(missing)} documents changed during the backup: saving the registry again")
        before, registry = missing, save_registry(folder) or registry
        copy(sources, str(folder / "originals"))
        missing = missing_originals(folder)
        if missing == before:
            break  # they were lost before the backup
    if missing:
        print(f"the originals of {len(missing)} documents are missing: run `phoserve doctor`", file=sys.stderr)
    return registry


def missing_originals(folder: Path) -> set[str]:
    """Return the keys of originals that the dumped registry names and the backup does not have."""
    command = ["pg_restore", "--data-only", "--table=documents", "--file=-", str(folder / "registry.dump")]
    # Line by line, as a dump may be larger than the memory. Texts may contain other ends of lines, such as U+2028.
    with subprocess.Popen(command, stdout=subprocess.PIPE) as dump:
        lines = iter(dump.stdout or ())
        header = next((line.decode() for line in lines if line.startswith(b"COPY ")), "()")
        columns = header[header.index("(") + 1 : header.index(")")].split(", ")
        missing: set[str] = set()
        if "original_key" in columns:
            position = columns.index("original_key")
            rows = itertools.takewhile(lambda line: line != b"\\.\n", lines)
            keys = (line.rstrip(b"\n").split(b"\t")[position].decode() for line in rows)
            missing = {key for key in keys if not (folder / "originals" / key).is_file()}
        for _ in lines:  # to its end, or it fails
            pass
    if dump.returncode:
        sys.exit(f"{folder / 'registry.dump'} cannot be read: pg_restore failed with status {dump.returncode}")
    return missing


def restore(folder: Path, peers: list[str], sources: str | None) -> None:
    """Restore what `save` wrote. Existing collections are replaced by their snapshots."""
    if not (folder / "manifest.json").is_file():
        sys.exit(f"{folder} has no manifest.json: it is not a backup, or the backup was interrupted")
    sources = check_sources(sources)
    manifest = json.loads((folder / "manifest.json").read_text())
    if not sources and (folder / "originals").is_dir():
        sys.exit("this backup has originals: set SOURCES to the folder or to the s3://BUCKET/PREFIX to restore them to")
    check_files(folder, manifest, peers)
    registry = manifest.get("registry")
    if registry:
        wait_for_the_platform()
    if sources:
        copy(str(folder / "originals"), sources)
    if registry:
        drop_newer_tables(folder / registry["file"])
        run_postgres(
            "pg_restore",
            "--clean",
            "--if-exists",
            "--no-owner",
            "--single-transaction",
            "--dbname",
            folder / registry["file"],
        )
        print("the registry is restored")
    for each in manifest["snapshots"]:
        path = (
            f"/collections/{each['collection']}/snapshots/upload?wait=true&priority=snapshot&checksum={each['sha256']}"
        )
        upload(peers[each["peer"]], path, folder / each["file"])
        print(f"{each['collection']} is restored on {peers[each['peer']]}")
    aliases = [{"create_alias": alias} for alias in manifest["aliases"]]
    if aliases:
        ask(peers[0], "POST", "/collections/aliases", json.dumps({"actions": aliases}).encode(), "application/json")


def check_files(folder: Path, manifest: dict[str, Any], peers: list[str]) -> None:
    """Check that every file is as it was saved, and that there is a peer for each snapshot."""
    for each in [*manifest["snapshots"], *filter(None, [manifest.get("registry")])]:
        if each.get("peer", 0) >= len(peers):
            sys.exit(f"the backup has {each['peer'] + 1} peers: list as many in QDRANT_URL")
        if not (folder / each["file"]).is_file():
            sys.exit(f"{each['file']} is missing: copy the whole backup")
        if digest_of(folder / each["file"]) != each["sha256"]:
            sys.exit(f"{each['file']} is damaged: its SHA-256 differs from the manifest")


def save_registry(folder: Path) -> dict[str, Any] | None:
    """Dump PostgreSQL in one transaction; None if REGISTRY_URL names none."""
    if not os.environ.get("REGISTRY_URL"):
        print("REGISTRY_URL is not set: the registry is not part of this backup", file=sys.stderr)
        return None
    file = folder / "registry.dump"
    run_postgres("pg_dump", "--format=custom", "--no-owner", "--file", file, "--dbname")
    print(f"{file.name}: {file.stat().st_size} bytes")
    return {"file": file.name, "sha256": digest_of(file)}


def wait_for_the_platform() -> None:
    """Wait until no process of the platform is connected to the registry, as it would write meanwhile."""
    end = time.monotonic() + number_of("WAIT_S", "1200", at_least=0)
    while connected := int(run_postgres("psql", "--no-psqlrc", "--tuples-only", "--command", CONNECTED, "--dbname")):
        message = f"the platform has {connected} open connections to the registry: scale the API and the workers to 0"
        if time.monotonic() >= end:
            sys.exit(message)
        print(message, flush=True)
        time.sleep(5)


def drop_newer_tables(dump: Path) -> None:
    """Drop the tables that a later release added after the backup: it could not migrate the restored registry."""
    listed = run_postgres("pg_restore", "--list", dump).splitlines()
    saved = {line.split()[5] for line in listed if " TABLE " in line and " TABLE DATA " not in line}
    newer = [table for table in TABLES if table not in saved]
    command = f"DROP TABLE IF EXISTS {', '.join(newer)} CASCADE"
    if newer:
        run_postgres("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", command, "--dbname")


def run_postgres(program: str, *arguments: str | Path) -> str:
    """Run a program of PostgreSQL and return its output; the database follows `--dbname`."""
    command: list[str | Path] = [program, *arguments]
    environment = dict(os.environ)
    if "--dbname" in arguments:
        url, password = registry_url()
        if password:  # not on the command line, which others can read
            environment["PGPASSWORD"] = password
        position = command.index("--dbname") + 1
        command.insert(position, url)
    try:
        outcome = subprocess.run(command, capture_output=True, text=True, env=environment)
    except FileNotFoundError:
        sys.exit(f"{program} is not installed: install the client programs of PostgreSQL, not older than the server")
    if outcome.returncode:
        lines = outcome.stderr.split("\n") if outcome.stderr.strip() else [f"it ended with status {outcome.returncode}"]
        sys.exit(f"{program} failed: {' '.join(map(str.strip, lines[-5:]))} Check REGISTRY_URL")
    return outcome.stdout


def registry_url() -> tuple[str, str]:
    """Return REGISTRY_URL as libpq reads it, without its password, and the password."""
    url = os.environ.get("REGISTRY_URL")
    if not url:
        sys.exit("this backup has a registry: set REGISTRY_URL to the database to restore it to")
    parts = urllib.parse.urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    plain = parts._replace(scheme=parts.scheme.partition("+")[0], netloc=f"{name}{at}{hosts}")
    return plain.geturl(), urllib.parse.unquote(password)


def number_of(variable: str, default: str, *, at_least: int) -> int:
    """Return the whole number in an environment variable."""
    value = os.environ.get(variable) or default
    if not value.isdecimal() or int(value) < at_least:
        sys.exit(f"{variable} is {value}: set it to a whole number, {at_least} or more")
    return int(value)


def check_sources(sources: str | None) -> str | None:
    """Return SOURCES as a path or s3://."""
    if sources and "://" in sources and not sources.startswith(("s3://", "file://")):
        sys.exit(
            f"SOURCES is {sources}: only a folder or s3://BUCKET/PREFIX is copied. Keep versions of the originals with "
            "that store's own means, and leave SOURCES empty to save the rest"
        )
    return sources.removeprefix("file://") if sources else None


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def ask(peer: str, method: str, path: str, body: bytes | None = None, kind: str | None = None) -> dict[str, Any]:
    """Send a request to Qdrant and return its `result`."""
    with urllib.request.urlopen(request(peer, method, path, body, kind), timeout=TIMEOUT_S) as answer:
        result = json.load(answer)["result"]
    return result if isinstance(result, dict) else {}


def download(peer: str, path: str, target: Path) -> str:
    """Write a response's body to `target` and return its SHA-256."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(request(peer, "GET", path), timeout=TIMEOUT_S) as answer, target.open("wb") as file:
        while block := answer.read(BLOCK):
            file.write(block)
            digest.update(block)
    return digest.hexdigest()


def upload(peer: str, path: str, source: Path) -> None:
    """Send a file as the only field of a form, without loading it into memory."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="snapshot"; filename="{source.name}"\r\n\r\n'.encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    sent = request(peer, "POST", path, kind=f"multipart/form-data; boundary={boundary}")
    with source.open("rb") as file:
        sent.data = (part for parts in ([head], iter(lambda: file.read(BLOCK), b""), [tail]) for part in parts)
        sent.add_header("Content-Length", str(len(head) + source.stat().st_size + len(tail)))
        with urllib.request.urlopen(sent, timeout=TIMEOUT_S) as answer:
            answer.read()


def request(
    peer: str, method: str, path: str, body: bytes | None = None, kind: str | None = None
) -> urllib.request.Request:
    """Build a request with the API key."""
    headers = {"Content-Type": kind} if kind else {}
    if key := os.environ.get("QDRANT_API_KEY"):
        headers["api-key"] = key
    return urllib.request.Request(peer.rstrip("/") + path, data=body, method=method, headers=headers)


def copy(source: str, target: str, known: Path | None = None) -> None:
    """Copy a folder or an S3 prefix. Files that have the same size there and that disappear meanwhile are skipped.

    Files of the same size in the folder `known` are linked: an original never changes under its name.
    """
    if "s3://" in source + target:
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        endpoint = endpoint or os.environ.get("AWS_ENDPOINT")
        command = ["aws", "s3", "sync", "--only-show-errors", *(["--endpoint-url", endpoint] if endpoint else [])]
        if known and known.is_dir():
            shutil.copytree(known, target, copy_function=link, dirs_exist_ok=True)
            command.append("--delete")
        try:
            subprocess.run([*command, source, target], check=True)
        except FileNotFoundError:
            sys.exit("aws is not installed: install the AWS CLI, which copies from and to s3://")
        except subprocess.CalledProcessError as error:
            sys.exit(
                f"copying {source} to {target} failed with status {error.returncode}, see above. Check the bucket, the "
                "credentials, AWS_REGION and AWS_ENDPOINT_URL"
            )
        return
    Path(target).mkdir(parents=True, exist_ok=True)
    for folder, _, names in os.walk(source):
        for name in names:
            file = Path(folder, name)
            to = Path(target, file.relative_to(source))
            with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                if to.is_file() and to.stat().st_size == file.stat().st_size:
                    continue
                to.parent.mkdir(parents=True, exist_ok=True)
                same = known and known / file.relative_to(source)
                if same and same.is_file() and same.stat().st_size == file.stat().st_size:
                    link(same, to)
                    continue
                partial = to.with_name(f"{to.name}.part")
                shutil.copy2(file, partial)
                partial.replace(to)


def link(source: str | Path, target: str | Path) -> None:
    """Link a file, or copy it where the volume has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def main() -> None:
    """Run the command line."""
    actions = {"save": save, "restore": restore, "schedule": save_scheduled}
    if sys.argv[1:] in (["--help"], ["-h"]):
        print(__doc__)
        return
    if len(sys.argv) != 3 or sys.argv[1] not in actions:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("the backup was stopped by SIGTERM"))
    peers = os.environ.get("QDRANT_URL", "http://127.0.0.1:6333").split()
    action = actions[sys.argv[1]]
    try:
        action(Path(sys.argv[2]), peers, os.environ.get("SOURCES"))
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
        sys.exit(f"Qdrant at {' '.join(peers)} failed: {error}. Check QDRANT_URL and QDRANT_API_KEY.")
    except OSError as error:  # no space, no permission, a folder that is not there
        sys.exit(f"{error}. Check the folder of the backup and SOURCES")
    except (ValueError, KeyError) as error:
        sys.exit(f"{sys.argv[2]}/manifest.json or an answer of Qdrant cannot be read: {error!r}")


if __name__ == "__main__":
    main()
