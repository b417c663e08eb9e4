#!/usr/bin/env python3
"""Save and restore a release's state: the registry, the originals, Qdrant's collections and aliases.

usage: backup.py save|restore|schedule FOLDER

`schedule` saves to a new folder in FOLDER, named for the time, and removes the oldest ones. KEEP complete backups stay,
7 by default. Originals that the newest one has are hard links to it. With UPLOAD=s3://... the new one is copied there.

Set REGISTRY_URL (postgresql://USER:PASSWORD@HOST/NAME), QDRANT_URL (several peers: separated by spaces), QDRANT_API_KEY
and SOURCES (a folder or s3://...). It needs Python, pg_dump and pg_restore, and `aws` for s3://.

The platform may run meanwhile. Originals are copied before and after the registry. If documents were replaced, the
registry is saved again, so that every original that a saved record names is there. Passages that differ from the
restored registry are rebuilt by `phoserve doctor --repair`.
"""

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime
from pathlib import Path

BLOCK = 1 << 20
TIMEOUT_S = 3600
REPEATED = 5


def save_scheduled(root: Path, peers: list[str], sources: str | None) -> None:
    """Save to a new folder, copy it to UPLOAD, and remove old backups and what interrupted ones left."""
    keep = int(os.environ.get("KEEP", "7"))
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
    if sources and "://" not in sources and not Path(sources).is_dir():
        sys.exit(
            f"SOURCES is {sources}, which is not a folder: set it to the folder with the originals, or to s3://BUCKET/PREFIX"
        )
    folder.mkdir(parents=True, exist_ok=True)
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
            digest = download(peer, f"/collections/{collection}/snapshots/{made['name']}", folder / name)
            ask(peer, "DELETE", f"/collections/{collection}/snapshots/{made['name']}")
            if made.get("checksum") not in {None, digest}:
                sys.exit(f"{name} is damaged: its SHA-256 is {digest}, not {made['checksum']}. Run the backup again")
            manifest["snapshots"].append({"file": name, "peer": number, "collection": collection, "sha256": digest})
            print(f"{name}: {(folder / name).stat().st_size} bytes")
    # Written last, so that a folder with a manifest is complete.
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))


def save_until_complete(folder: Path, sources: str, registry: dict) -> dict:
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
    command = ["pg_restore", "--data-only", "--table=documents", "--file=-", folder / "registry.dump"]
    lines = iter(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())
    header = next((line for line in lines if line.startswith("COPY ")), "()")
    columns = header[header.index("(") + 1 : header.index(")")].split(", ")
    if "original_key" not in columns:
        return set()
    rows = itertools.takewhile(lambda line: line != "\\.", lines)
    keys = {line.split("\t")[columns.index("original_key")] for line in rows}
    return {key for key in keys if not (folder / "originals" / key).is_file()}


def restore(folder: Path, peers: list[str], sources: str | None) -> None:
    """Restore what `save` wrote. Existing collections are replaced by their snapshots."""
    if not (folder / "manifest.json").is_file():
        sys.exit(f"{folder} has no manifest.json: it is not a backup, or the backup was interrupted")
    manifest = json.loads((folder / "manifest.json").read_text())
    for each in manifest["snapshots"]:
        if each["peer"] >= len(peers):
            sys.exit(f"the backup has {each['peer'] + 1} peers: list as many in QDRANT_URL")
        if digest_of(folder / each["file"]) != each["sha256"]:
            sys.exit(f"{each['file']} is damaged: its SHA-256 differs from the manifest")
    registry = manifest.get("registry")
    if registry and digest_of(folder / registry["file"]) != registry["sha256"]:
        sys.exit(f"{registry['file']} is damaged: its SHA-256 differs from the manifest")
    if sources:
        copy(str(folder / "originals"), sources)
    if registry:
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


def save_registry(folder: Path) -> dict | None:
    """Dump PostgreSQL in one transaction; None if REGISTRY_URL names none."""
    if not os.environ.get("REGISTRY_URL"):
        print("REGISTRY_URL is not set: the registry is not part of this backup", file=sys.stderr)
        return None
    file = folder / "registry.dump"
    run_postgres("pg_dump", "--format=custom", "--no-owner", "--file", file, "--dbname")
    print(f"{file.name}: {file.stat().st_size} bytes")
    return {"file": file.name, "sha256": digest_of(file)}


def run_postgres(program: str, *arguments: str | Path) -> None:
    """Run a program of PostgreSQL; the database follows `--dbname`."""
    url = os.environ.get("REGISTRY_URL")
    if not url:
        sys.exit("this backup has a registry: set REGISTRY_URL to the database to restore it to")
    position = arguments.index("--dbname") + 1
    outcome = subprocess.run(
        [program, *arguments[:position], url, *arguments[position:]], capture_output=True, text=True
    )
    if outcome.returncode:
        sys.exit(f"{program} failed: {outcome.stderr.strip().splitlines()[-1]}")


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def ask(peer: str, method: str, path: str, body: bytes | None = None, kind: str | None = None) -> dict:
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
        command = ["aws", "s3", "sync", "--only-show-errors"]
        if known and known.is_dir():
            shutil.copytree(known, target, copy_function=os.link, dirs_exist_ok=True)
            command.append("--delete")
        subprocess.run([*command, source, target], check=True)
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
                    os.link(same, to)
                    continue
                partial = to.with_name(f"{to.name}.part")
                shutil.copy2(file, partial)
                partial.replace(to)


def main() -> None:
    """Run the command line."""
    actions = {"save": save, "restore": restore, "schedule": save_scheduled}
    if len(sys.argv) != 3 or sys.argv[1] not in actions:
        sys.exit(__doc__)
    peers = os.environ.get("QDRANT_URL", "http://127.0.0.1:6333").split()
    action = actions[sys.argv[1]]
    try:
        action(Path(sys.argv[2]), peers, os.environ.get("SOURCES"))
    except urllib.error.URLError as error:
        sys.exit(f"Qdrant at {' '.join(peers)} failed: {error}. Check QDRANT_URL and QDRANT_API_KEY.")


if __name__ == "__main__":
    main()
