"""What a POST of documents carries, as drafts: JSON documents, or files of a multipart form."""

import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException

from api.auth import hold_body
from api.body_child import DOCUMENTS, MAX_METADATA_JSON, WireDocument, read_documents
from api.body_process import SHORT_BYTES
from api.decoding import decode_json
from api.forms import Form, read_form
from api.hints import near_name
from api.services import Services
from phoserve.documents.access import Access, validate_access
from phoserve.documents.intake import Draft
from phoserve.documents.metadata import MAX_BYTES_TYPED, validate_metadata
from phoserve.errors import InvalidInput, TooLarge
from phoserve.settings import LimitSettings

FILES_FIELD: Final = "files"
METADATA_FIELD: Final = "metadata"
ID_FIELD: Final = "id"
ACCESS_FIELD: Final = "access"
_FIELDS: Final = [ACCESS_FIELD, FILES_FIELD, ID_FIELD, METADATA_FIELD]
_VALUES: Final = frozenset({METADATA_FIELD, ID_FIELD, ACCESS_FIELD})
MAX_ACCESS_JSON: Final = 64 * 1024
BLOCK_BYTES: Final = 1 << 20
UNKNOWN_TYPE: Final = "application/octet-stream"
# Not in every system's table.
mimetypes.add_type("text/markdown", ".md")

_wire = msgspec.msgpack.Decoder(list[WireDocument])
_access = msgspec.json.Decoder(list[str])
_metadata = msgspec.json.Decoder(dict[str, Any])

AnyRequest = Request[Any, Any, Any]


@asynccontextmanager
async def drafts_of(request: AnyRequest, services: Services) -> AsyncIterator[list[Draft]]:
    """Read the documents in the body, whose files are open for the block. Raises InvalidInput or TooLarge."""
    limits = services.limits
    media_type = request.content_type[0]
    if media_type == "multipart/form-data":
        async with read_form(request, FILES_FIELD, _VALUES) as form:
            yield _checked(_from_form(form), limits)
    elif media_type == "application/json":
        hold_body(request)
        yield _checked(await _from_json(await _body(request, limits.max_body_bytes), services), limits)
    else:
        raise ClientException(
            detail=f"send application/json or multipart/form-data, not {media_type or 'none'}", status_code=415
        )


def _checked(drafts: list[Draft], limits: LimitSettings) -> list[Draft]:
    if len(drafts) > limits.max_documents:
        raise TooLarge(f"{len(drafts)} documents; at most {limits.max_documents} go into one request")
    return drafts


async def _from_json(body: bytes, services: Services) -> list[Draft]:
    if len(body) <= SHORT_BYTES:
        body = read_documents(body, services.limits.max_documents)
    else:
        body = await services.bodies.read(DOCUMENTS, body, services.limits.max_documents)
    return await services.loop_turns.map(_draft_of, _wire.decode(body))


def _draft_of(document: WireDocument) -> Draft:
    return Draft(
        document.text,
        id=document.id,
        title=document.title,
        metadata=msgspec.msgpack.decode(document.metadata),
        access=None if document.access is None else tuple(document.access),
    )


def _from_form(form: Form) -> list[Draft]:
    if not form.files:
        raise InvalidInput("the form has no file; put files into the field `files`", field=FILES_FIELD)
    for name in form.fields:
        if name not in _FIELDS:
            hint = near_name(name[:64], _FIELDS, "fields")
            raise InvalidInput(f"the form has a field `{name[:64]}` that is not known{hint}", field=name[:64])
    given = form.fields.get(METADATA_FIELD) or ["{}"]
    if len(given) > 1:
        raise InvalidInput("there is more than one; it is that of all files of the form", field=METADATA_FIELD)
    if len(given[0]) > MAX_METADATA_JSON:
        raise InvalidInput(f"metadata is {len(given[0])} characters of JSON; it is too long", field=METADATA_FIELD)
    metadata = decode_json(given[0].encode(), _metadata, field=METADATA_FIELD)
    validate_metadata(metadata, max_bytes=MAX_BYTES_TYPED)
    ids: list[str | None] = [*form.fields.get(ID_FIELD, [])]
    ids = ids or [None] * len(form.files)
    if len(ids) != len(form.files):
        raise InvalidInput(f"{len(ids)} ids for {len(form.files)} files; give one for each, or none", field=ID_FIELD)
    access = _form_access(form.fields.get(ACCESS_FIELD, []))
    return [_draft(file, document_id, metadata, access) for file, document_id in zip(form.files, ids, strict=True)]


def _form_access(given: list[str]) -> Access | None:
    """Return the groups in the fields `access`: a JSON list, or a name each. None without such a field."""
    if not given:
        return None
    if len(given) == 1 and given[0].lstrip().startswith("["):
        if len(given[0]) > MAX_ACCESS_JSON:
            raise InvalidInput("the list of groups is too long", field=ACCESS_FIELD)
        given = decode_json(given[0].encode(), _access, field=ACCESS_FIELD)
    return validate_access(each for each in given if each)


def _draft(file: UploadFile, document_id: str | None, metadata: dict[str, Any], access: Access | None) -> Draft:
    name = PurePosixPath(file.filename.replace("\\", "/")).name
    guessed = mimetypes.guess_type(name)[0]
    # Browsers and curl send octet-stream for unknown types; the name is more specific.
    given = file.content_type if file.content_type not in {"", UNKNOWN_TYPE} else None
    return Draft(
        _blocks(file),
        id=document_id,
        metadata=metadata,
        access=access,
        media_type=given or guessed or UNKNOWN_TYPE,
        filename=name or None,
    )


async def _blocks(file: UploadFile) -> AsyncIterator[bytes]:
    while block := await file.read(BLOCK_BYTES):
        yield block


async def _body(request: AnyRequest, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            raise TooLarge(f"the body is over {max_bytes} bytes; send fewer documents at a time, or a file")
        parts.append(part)
    return b"".join(parts)
