"""Send documents from files and lines to a running phoserve in batches, without unchanged ones."""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar
from urllib.parse import quote

from cli.remote import ApiClient
from phoserve.errors import InvalidInput, NotFound

BATCH_DOCUMENTS: Final = 100
BATCH_BYTES: Final = 16 * 1024 * 1024
PAGE: Final = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FileDocument:
    """A file with its id: the path below the given folder."""

    id: str
    path: Path

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document of the collection, as far as a file is compared with it."""

    sha256: str
    is_current: bool
    """Whether it has not failed and has the wanted groups."""
    is_pending: bool
    """Whether it is queued or processed."""

    @classmethod
    def of(cls, record: dict[str, Any], access: Sequence[str] | None) -> "StoredDocument":
        """Read the record of the API; without `access`, any groups are the wanted ones."""
        same_access = access is None or record["access"] == sorted(set(access))
        state = record["state"]
        return cls(record["sha256"], state != "failed" and same_access, state in {"queued", "processing"})


def files_in(patterns: Sequence[str]) -> list[FileDocument]:
    """Return the distinct files of paths, folders and patterns, sorted, without hidden files.

    Raises InvalidInput for a path that does not exist and a pattern without a match.
    """
    found: dict[Path, FileDocument] = {}
    for pattern in patterns:
        here = list(_named(pattern))
        if not here:
            raise InvalidInput(f"{pattern} matches no file")
        for each in here:
            found.setdefault(each.path.resolve(), each)
    return sorted(found.values(), key=lambda each: each.id)


def lines_of(stream: TextIO) -> Iterator[dict[str, Any]]:
    """Read the documents of JSON lines. Raises InvalidInput that names the line."""
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except ValueError as error:
            raise InvalidInput(f"line {number} is not JSON: {error}") from None
        if not isinstance(document, dict) or not isinstance(document.get("text"), str):
            raise InvalidInput(f'line {number} is not a document: {{"text": "...", "id": "...", "title": "..."}}')
        yield document


@dataclass(slots=True)
class Sender:
    """Sends to one collection, and records accepted ids and rejected documents."""

    remote: ApiClient
    collection: str
    metadata: dict[str, Any] = field(default_factory=dict)
    access: list[str] | None = None
    """The groups of all documents sent; None leaves those of existing documents, and lines may name their own."""
    sent: list[str] = field(default_factory=list)
    unchanged: int = 0
    pending: list[str] = field(default_factory=list)
    """Unchanged documents that are not indexed yet, such as those of a run that was interrupted."""
    pruned: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The collection."""
        return f"/v1/collections/{self.collection}"

    def stored(self) -> dict[str, StoredDocument]:
        """Return every document of the collection by id."""
        found: dict[str, StoredDocument] = {}
        cursor = ""
        while True:
            page = self.remote.get(f"{self.url}/documents?limit={PAGE}{cursor}")
            found |= {each["id"]: StoredDocument.of(each, self.access) for each in page["documents"]}
            if page["cursor"] is None:
                return found
            cursor = f"&cursor={page['cursor']}"

    def send_files(self, files: Sequence[FileDocument], *, prune: bool = False) -> Iterator[int]:
        """Send new files; with `prune`, delete the documents that are none of `files`.

        Yields the number of finished files after each step.
        """
        stored, done = self.stored(), 0
        for batch in _batches(files, lambda each: each.size_bytes):
            wanted = [each for each in batch if not self._is_unchanged(each, stored.get(_composed(each.id)))]
            if wanted:
                self._post(wanted)
            done += len(batch)
            yield done
        if prune:
            self._prune(stored.keys() - {_composed(each.id) for each in files})

    def _is_unchanged(self, file: FileDocument, stored: StoredDocument | None) -> bool:
        if stored is None or not stored.is_current or stored.sha256 != _sha256(file.path):
            return False
        self.unchanged += 1
        if stored.is_pending:
            self.pending.append(_composed(file.id))
        return True

    def _prune(self, document_ids: Collection[str]) -> None:
        for each in sorted(document_ids):
            with suppress(NotFound):  # deleted in the meantime
                self.remote.delete(f"{self.url}/documents/{quote(each, safe='')}")
                self.pruned += 1

    def send_lines(self, documents: Iterable[dict[str, Any]]) -> Iterator[int]:
        """Send documents as JSON. Yields the number of finished documents after each step."""
        done = 0
        for batch in _batches(documents, lambda each: 4 * len(each["text"])):
            answer = self.remote.post(
                f"{self.url}/documents?bulk=true", {"documents": [self._shared(each) for each in batch]}
            )
            self.sent += [each["id"] for each in answer["documents"]]
            done += len(batch)
            yield done

    def _shared(self, document: dict[str, Any]) -> dict[str, Any]:
        return document if self.access is None else {"access": self.access, **document}

    def _access_field(self) -> dict[str, str]:
        return {} if self.access is None else {"access": json.dumps(self.access)}

    def _post(self, files: Sequence[FileDocument]) -> None:
        try:
            answer = self.remote.upload(
                f"{self.url}/documents?bulk=true",
                [(each.id, each.path) for each in files],
                {"metadata": json.dumps(self.metadata), **self._access_field()},
            )
        except InvalidInput as error:
            if len(files) == 1:
                self.refused.append((files[0].id, str(error)))
                return
            for each in files:  # one bad file must not affect the others
                self._post([each])
            return
        self.sent += [each["id"] for each in answer["documents"]]


def _named(pattern: str) -> Iterator[FileDocument]:
    path = Path(pattern).expanduser()
    if path.is_dir():
        below = (each for each in path.rglob("*") if not _is_hidden(each.relative_to(path)))
        yield from (FileDocument(each.relative_to(path).as_posix(), each) for each in below if each.is_file())
    elif path.is_file():
        yield FileDocument(path.name, path)
    else:
        anchor = Path(path.anchor or ".")
        for each in anchor.glob(str(path.relative_to(path.anchor))):
            if each.is_file():
                yield FileDocument(each.as_posix().lstrip("/"), each)


def _composed(document_id: str) -> str:
    """Return the id as the server keeps it: file systems of other machines decompose letters."""
    return unicodedata.normalize("NFC", document_id)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _batches(documents: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    batch: list[T] = []
    total = 0
    for each in documents:
        size = size_of(each)
        if batch and (len(batch) == BATCH_DOCUMENTS or total + size > BATCH_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(each)
        total += size
    if batch:
        yield batch


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
