"""Multipart forms with files, read as they arrive: files go to disk, and other fields have a limit together.

Litestar's own reader keeps fields of any length in memory and decodes them by the character set that a part names.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from litestar import Request
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException
from multipart import MultipartSegment, ParserError, ParserLimitReached, PushMultipartParser  # type: ignore[import-untyped]

from phoserve.errors import InvalidInput, TooLarge

MAX_FIELDS_BYTES: Final = 1024 * 1024
"""Of all fields that are no files: metadata, ids and groups."""
MAX_PARTS: Final = 4000


@dataclass(slots=True)
class Form:
    """The parts of a form by name."""

    files: list[UploadFile] = field(default_factory=list)
    fields: dict[str, list[str]] = field(default_factory=dict)


@asynccontextmanager
async def read_form(
    request: Request[Any, Any, Any], files_field: str, values: frozenset[str] = frozenset()
) -> AsyncIterator[Form]:
    """Read the form of a request; its files are closed at the end of the block. Raises 400, InvalidInput, TooLarge.

    A field of `values` may come as a file (`curl -F metadata=@metadata.json`): its content is the value. Files of any
    other field than `files_field` are refused.
    """
    boundary = request.content_type[1].get("boundary", "")
    if not boundary:
        raise ClientException(detail="the header Content-Type names no boundary")
    form = Form()
    try:
        with PushMultipartParser(boundary.encode("latin-1", "replace"), max_segment_count=MAX_PARTS) as parser:
            reader = _Reader(form, files_field, values)
            async for chunk in request.stream():
                if chunk and not parser.closed:
                    for part in parser.parse(chunk):
                        await reader.take(part)
        yield form
    except ParserLimitReached:
        raise TooLarge(f"the form has more than {MAX_PARTS} parts, or a header that is too long") from None
    except ParserError as error:
        raise ClientException(detail=f"the body is not a multipart form: {error}") from None
    finally:
        for each in form.files:
            await each.close()


class _Reader:
    """Puts the events of the parser into a form: the head of a part, its content, and its end."""

    def __init__(self, form: Form, files_field: str, values: frozenset[str]) -> None:
        self._form = form
        self._files_field = files_field
        self._values = values
        self._name = ""
        self._file: UploadFile | None = None
        self._value = bytearray()
        self._fields_bytes = 0

    async def take(self, part: Any) -> None:
        if isinstance(part, MultipartSegment):
            self._begin(part)
        elif not part:
            await self._end()
        elif self._file is not None:
            await self._file.write(bytes(part))
        else:
            self._fields_bytes += len(part)
            if self._fields_bytes > MAX_FIELDS_BYTES:
                raise TooLarge(f"the form has more than {MAX_FIELDS_BYTES} bytes that are no files")
            self._value += part

    def _begin(self, segment: Any) -> None:
        self._name, self._value = segment.name, bytearray()
        self._file = None
        if segment.filename and segment.name not in {self._files_field, *self._values}:
            raise InvalidInput(f"put files into the field `{self._files_field}`", field=segment.name)
        if segment.filename and segment.name == self._files_field:
            content_type = segment.content_type or "text/plain"
            self._file = UploadFile(content_type=content_type, filename=segment.filename, headers={})
            self._form.files.append(self._file)

    async def _end(self) -> None:
        if self._file is not None:
            await self._file.seek(0)
        else:
            try:
                value = self._value.decode()
            except UnicodeDecodeError:
                raise InvalidInput("is not text in UTF-8", field=self._name) from None
            self._form.fields.setdefault(self._name, []).append(value)
