#!/usr/bin/env python3
"""Save a release's state to a folder, and bring it back: Qdrant's collections and aliases, and the originals.

usage: backup.py save|restore FOLDER

QDRANT_URL (several peers: separated by spaces), QDRANT_API_KEY and SOURCES (a folder or s3://...) say where it is.
Needs nothing but Python, and `aws` for s3://. Stop the workers first for an exact picture (docs/operations.md).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from pathlib import Path

BLOCK = 1 << 20
TIMEOUT_S = 3600


def save(folder: Path, peers: list[str], sources: str | None) -> None:
    """Write snapshots of every collection of every peer, the aliases, and the originals."""
    if sources and "://" not in sources and not Path(sources).is_dir():
        sys.exit(f"SOURCES is {sources}, which is no folder: name the one with the originals, or s3://BUCKET/PREFIX")
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {"snapshots": [], "aliases": ask(peers[0], "GET", "/aliases")["aliases"]}
    for number, peer in enumerate(peers):
        for collection in sorted(each["name"] for each in ask(peer, "GET", "/collections")["collections"]):
            made = ask(peer, "POST", f"/collections/{collection}/snapshots?wait=true")
            name = f"peer{number}-{collection.replace('/', '_')}.snapshot"
            digest = download(peer, f"/collections/{collection}/snapshots/{made['name']}", folder / name)
            ask(peer, "DELETE", f"/collections/{collection}/snapshots/{made['name']}")
            if made.get("checksum") not in {None, digest}:
                sys.exit(f"{name} arrived damaged: {digest} is not {made['checksum']}")
            manifest["snapshots"].append({"file": name, "peer": number, "collection": collection, "sha256": digest})
            print(f"{name}: {(folder / name).stat().st_size} bytes")
    if sources:
        copy(sources, str(folder / "originals"))
    # Last, so that a folder with a manifest is whole.
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))


def restore(folder: Path, peers: list[str], sources: str | None) -> None:
    """Bring back what `save` wrote; a collection that exists is replaced by its snapshot."""
    if not (folder / "manifest.json").is_file():
        sys.exit(f"{folder} has no manifest.json: it is no backup, or one that was broken off")
    manifest = json.loads((folder / "manifest.json").read_text())
    for each in manifest["snapshots"]:
        if each["peer"] >= len(peers):
            sys.exit(f"the backup is of {each['peer'] + 1} peers: name as many in QDRANT_URL")
        with (folder / each["file"]).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != each["sha256"]:
                sys.exit(f"{each['file']} is damaged")
    if sources:
        copy(str(folder / "originals"), sources)
    for each in manifest["snapshots"]:
        path = (
            f"/collections/{each['collection']}/snapshots/upload?wait=true&priority=snapshot&checksum={each['sha256']}"
        )
        upload(peers[each["peer"]], path, folder / each["file"])
        print(f"{each['collection']} is back on {peers[each['peer']]}")
    aliases = [{"create_alias": alias} for alias in manifest["aliases"]]
    if aliases:
        ask(peers[0], "POST", "/collections/aliases", json.dumps({"actions": aliases}).encode(), "application/json")


def ask(peer: str, method: str, path: str, body: bytes | None = None, kind: str | None = None) -> dict:
    """The `result` of a request to Qdrant."""
    with urllib.request.urlopen(request(peer, method, path, body, kind), timeout=TIMEOUT_S) as answer:
        result = json.load(answer)["result"]
    return result if isinstance(result, dict) else {}


def download(peer: str, path: str, target: Path) -> str:
    """Write an answer's body to `target`; returns its SHA-256."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(request(peer, "GET", path), timeout=TIMEOUT_S) as answer, target.open("wb") as file:
        while block := answer.read(BLOCK):
            file.write(block)
            digest.update(block)
    return digest.hexdigest()


def upload(peer: str, path: str, source: Path) -> None:
    """Send a file as a form's only field, without holding it in memory."""
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
    """A request with the API key."""
    headers = {"Content-Type": kind} if kind else {}
    if key := os.environ.get("QDRANT_API_KEY"):
        headers["api-key"] = key
    return urllib.request.Request(peer.rstrip("/") + path, data=body, method=method, headers=headers)


def copy(source: str, target: str) -> None:
    """Copy a folder or an S3 prefix; what is there already is not copied again by S3."""
    if "s3://" in source + target:
        subprocess.run(["aws", "s3", "sync", "--only-show-errors", source, target], check=True)
    else:
        shutil.copytree(source, target, dirs_exist_ok=True)


def main() -> None:
    """The command."""
    if len(sys.argv) != 3 or sys.argv[1] not in {"save", "restore"}:
        sys.exit(__doc__)
    peers = os.environ.get("QDRANT_URL", "http://127.0.0.1:6333").split()
    action = save if sys.argv[1] == "save" else restore
    try:
        action(Path(sys.argv[2]), peers, os.environ.get("SOURCES"))
    except urllib.error.URLError as error:
        sys.exit(f"Qdrant at {' '.join(peers)} does not take it: {error}. Are QDRANT_URL and QDRANT_API_KEY right?")


if __name__ == "__main__":
    main()
