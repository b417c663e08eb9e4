"""The process that reads large JSON bodies: `python -m api.body_child`, started by `api.body_process`.

It has no secret and opens nothing. It ends with its parent.
"""

import gc
import pickle
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import msgspec

from api.body_process import ENDS, FAILED, HEAD
from api.decoding import decode_json
from api.schemas.documents import NewDocument
from phoserve.concurrency.priority import lower_priority
from phoserve.documents.metadata import MAX_BYTES, MAX_BYTES_TYPED, validate_metadata
from phoserve.errors import InvalidInput, PhoserveError, TooLarge

DOCUMENTS: Final = 0
ANY: Final = 1
NICENESS: Final = 5
MEMORY_BYTES: Final = 2 << 30
KEPT_BYTES: Final = 256 << 20
"""A process that has taken more memory than this ends after the body: the allocator seldom returns it."""
MAX_METADATA_JSON: Final = 16 * MAX_BYTES
"""Of the metadata of a document as sent, with blanks and escapes."""

_metadata: Final = msgspec.json.Decoder(dict[str, Any])
_any: Final = msgspec.json.Decoder(Any)


class WireDocument(msgspec.Struct, frozen=True, array_like=True):
    """A document of a request, checked; the text in UTF-8."""

    text: bytes
    id: str | None
    title: str
    metadata: msgspec.Raw
    access: list[str] | None


class _GivenDocument(NewDocument, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document whose metadata are not decoded yet."""

    metadata: msgspec.Raw = msgspec.Raw(b"{}")  # type: ignore[assignment]


class _GivenDocuments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `DocumentsRequest`."""

    documents: Annotated[list[_GivenDocument], msgspec.Meta(min_length=1)]


def read_documents(body: bytes, most: int) -> bytes:
    """Return the documents of a body, `most` at most, as MessagePack of `WireDocument`. Raises InvalidInput."""
    given = decode_json(body, _documents).documents
    if len(given) > most:
        raise TooLarge(f"{len(given)} documents; at most {most} go into one request")
    checked: list[WireDocument] = []
    for position, each in enumerate(given):
        if not each.text or each.text.isspace():
            raise InvalidInput("the text is blank", field=f"documents[{position}].text")
        metadata = msgspec.Raw(_read_metadata(bytes(each.metadata), f"documents[{position}].metadata"))
        checked.append(WireDocument(each.text.encode(), each.id, each.title, metadata, each.access))
    return msgspec.msgpack.encode(checked)


def _read_metadata(given: bytes, field: str) -> bytes:
    if len(given) > MAX_METADATA_JSON:
        raise InvalidInput(f"metadata is {len(given)} bytes of JSON, at most {MAX_BYTES} are kept", field=field)
    try:
        metadata = decode_json(given, _metadata)
    except InvalidInput as error:
        raise InvalidInput(str(error), field=f"{field}.{error.field}" if error.field else field) from None
    validate_metadata(metadata, field=field, max_bytes=MAX_BYTES_TYPED)
    return msgspec.msgpack.encode(metadata)


def check_values(body: bytes, most: int) -> bytes:
    """Return nothing if the body has `most` values at most. Raises InvalidInput, TooLarge."""
    pending, count = [decode_json(body, _any)], 0
    while pending:
        value = pending.pop()
        if isinstance(value, list | Mapping):
            count += len(value)
            if count > most:
                raise TooLarge(f"the body has more than {most} values; send fewer at a time")
            pending.extend(value.values() if isinstance(value, Mapping) else value)
    return b""


_documents: Final = msgspec.json.Decoder(_GivenDocuments)
READERS: Final = {DOCUMENTS: read_documents, ANY: check_values}


def serve(bodies: BinaryIO, answers: BinaryIO) -> None:
    """Answer bodies until the pipe ends, or the process has become too large."""
    ends = 0
    while not ends and (head := bodies.read(HEAD.size)):
        kind, most, length = HEAD.unpack(head)
        failed, answer = _read(kind, bodies.read(length), most)
        ends = ENDS if _peak_bytes() > KEPT_BYTES else 0
        answers.write(HEAD.pack(failed | ends, 0, len(answer)))
        answers.write(answer)
        answers.flush()


def _read(kind: int, body: bytes, most: int) -> tuple[int, bytes]:
    try:
        return 0, READERS[kind](body, most)
    except PhoserveError as error:
        return FAILED, pickle.dumps(error)
    except MemoryError:
        return FAILED, pickle.dumps(TooLarge("the body has too many values; send fewer at a time"))


def _peak_bytes() -> int:
    """Return the most memory that this process has had."""
    [line] = [each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def main() -> None:
    """Limit memory, lower the priority, and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lower_priority(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    gc.disable()  # what a body makes has no cycles, and a collection would walk all of it
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
