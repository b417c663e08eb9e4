"""What happens in the process that reads one document: it limits itself, opens the file, and writes one message."""

import errno
import resource
from pathlib import Path
from typing import IO, Final

import msgspec

from ingest.parsing.containment import confine
from ingest.parsing.failures import failure_of
from ingest.parsing.finish import finish
from ingest.parsing.limits import ParserLimits
from ingest.parsing.media import CSV_TYPES, HTML, JSON_TYPES, MARKDOWN_TYPES
from ingest.parsing.parsers import parse_file
from ingest.parsing.programs import start_runner
from ingest.parsing.tesseract import find_tesseract
from phoserve.text.blocks import ParsedDocument

_WITHOUT_PAGES: Final = frozenset({*CSV_TYPES, *HTML, *JSON_TYPES, *MARKDOWN_TYPES})
"""What OCR never reads, nor a file in it."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Why there is no text."""

    code: str
    message: str


class Read(msgspec.Struct, frozen=True, tag=True):
    """What the parser read."""

    document: ParsedDocument


def read_and_answer(path: Path, media_type: str, limits: ParserLimits, answer: IO[bytes]) -> None:
    """Limit and confine this process, read the file and write `Read` or `Refused` as MessagePack."""
    _limit(limits)
    if media_type not in _WITHOUT_PAGES and (program := find_tesseract()) is not None:
        start_runner(program, answer.fileno())
    confine(path.parent)
    answer.write(msgspec.msgpack.encode(_read(path, media_type, limits)))


def _limit(limits: ParserLimits) -> None:
    cpu_s = int(limits.time_s) + 1
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.memory_bytes, limits.memory_bytes))


def _read(path: Path, media_type: str, limits: ParserLimits) -> Read | Refused:
    try:
        return Read(finish(parse_file(path, media_type), limits))
    except (MemoryError, ImportError):
        raise  # a library that cannot be loaded is out of memory too; the parent names the limit
    except Exception as error:  # whatever a parser raises, the document is to blame
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise
        failure = failure_of(error)
        return Refused(failure.code, str(failure))
