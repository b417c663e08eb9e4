"""The process that reads large JSON bodies: `python -m api.body_child`, started by `api.body_process`.

It has no secret and opens nothing. It ends with its parent.
"""

import gc
import os
import pickle
import resource
import signal
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

import msgspec

from api.body import decode_json
from api.body_process import HEAD
from api.schemas.documents import DocumentsRequest
from phoserve.documents.metadata import MAX_BYTES_TYPED, validate_metadata
from phoserve.errors import InvalidInput, PhoserveError, TooLarge

DOCUMENTS: Final = 0
ANY: Final = 1
NICENESS: Final = 5
MEMORY_BYTES: Final = 2 << 30
KEPT_BYTES: Final = 256 << 20
"""A process that has taken more memory than this ends after the body: the allocator seldom returns it."""
MAX_VALUES: Final = 100_000
"""Values in a body other than documents; a body with this many is decoded in a tenth of a second."""

_documents: Final = msgspec.json.Decoder(DocumentsRequest)
_any: Final = msgspec.json.Decoder(Any)


class WireDocument(msgspec.Struct, frozen=True, array_like=True):
    """A document of a request, checked; the text in UTF-8."""

    text: bytes
    id: str | None
    title: str
    metadata: msgspec.Raw
    access: list[str] | None


def read_documents(body: bytes) -> bytes:
    """Return the documents of a body as MessagePack of `WireDocument`. Raises InvalidInput."""
    given: DocumentsRequest = decode_json(body, _documents)
    checked: list[WireDocument] = []
    for position, each in enumerate(given.documents):
        if each.text.isspace() or not each.text:
            raise InvalidInput("the text is blank", field=f"documents[{position}].text")
        validate_metadata(each.metadata, field=f"documents[{position}].metadata", max_bytes=MAX_BYTES_TYPED)
        metadata = msgspec.Raw(msgspec.msgpack.encode(each.metadata))
        checked.append(WireDocument(each.text.encode(), each.id, each.title, metadata, each.access))
    return msgspec.msgpack.encode(checked)


def check_values(body: bytes) -> bytes:
    """Return nothing if the body has a number of values that may be decoded anywhere. Raises InvalidInput, TooLarge."""
    pending, count = [decode_json(body, _any)], 0
    while pending:
        value = pending.pop()
        if isinstance(value, list | Mapping):
            count += len(value)
            if count > MAX_VALUES:
                raise TooLarge(f"the body has more than {MAX_VALUES} values; send fewer at a time")
            pending.extend(value.values() if isinstance(value, Mapping) else value)
    return b""


READERS: Final = {DOCUMENTS: read_documents, ANY: check_values}


def serve(bodies: BinaryIO, answers: BinaryIO) -> None:
    """Answer bodies until the pipe ends, or the process has become too large."""
    while head := bodies.read(HEAD.size):
        kind, length = HEAD.unpack(head)
        is_error, answer = _read(kind, bodies.read(length))
        answers.write(HEAD.pack(is_error, len(answer)))
        answers.write(answer)
        answers.flush()
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > KEPT_BYTES:
            return


def _read(kind: int, body: bytes) -> tuple[bool, bytes]:
    try:
        return False, READERS[kind](body)
    except PhoserveError as error:
        return True, pickle.dumps(error)
    except MemoryError:
        return True, pickle.dumps(TooLarge("the body has too many values; send fewer at a time"))


def main() -> None:
    """Limit memory, lower the priority, and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    gc.disable()  # what a body makes has no cycles, and a collection would walk all of it
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
