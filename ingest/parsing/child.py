"""The process that reads one document: `python -m ingest.parsing.child PATH MEDIA_TYPE MEMORY CPU_S TEXT_BYTES`.

It limits itself before it opens the file, and writes one message to its standard output.
"""

import errno
import resource
import sys
from pathlib import Path

import msgspec

from ingest.parsing.containment import confine
from ingest.parsing.failures import failure_of
from ingest.parsing.finish import finish
from ingest.parsing.limits import ParserLimits
from ingest.parsing.parsers import parse_file
from phoserve.text.blocks import ParsedDocument


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Why there is no text."""

    code: str
    message: str


class Read(msgspec.Struct, frozen=True, tag=True):
    """What the parser read."""

    document: ParsedDocument


def main(path: str, media_type: str, memory_bytes: str, cpu_s: str, text_bytes: str) -> None:
    """Read the file and write the answer."""
    limits = ParserLimits(time_s=float(cpu_s), memory_bytes=int(memory_bytes), text_bytes=int(text_bytes))
    _limit(limits)
    confine(Path(path).parent)
    sys.stdout.buffer.write(msgspec.msgpack.encode(_read(Path(path), media_type, limits)))


def _limit(limits: ParserLimits) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (int(limits.time_s), int(limits.time_s)))
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


if __name__ == "__main__":
    main(*sys.argv[1:])
