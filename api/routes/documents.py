"""Documents: submit, follow, read, change, delete."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream

from api.auth import check_body, file_parts, readers, writers
from api.body import StrictJson
from api.byte_ranges import requested_span, span_headers, span_status
from api.dependencies import AuditDep, IntakeDep, LibraryDep, PrincipalDep, ServicesDep
from api.encoded_slashes import restore_slashes
from api.keys import Principal
from api.schemas.documents import (
    AcceptedDocument,
    AcceptedDocuments,
    DocumentChange,
    DocumentList,
    DocumentView,
    PassageList,
    passage_view,
    url_of,
    view_of,
)
from api.uploads import drafts_of
from phoserve.documents.library import PAGE_LIMIT
from phoserve.documents.records import Document, DocumentState, Passage
from phoserve.errors import InvalidInput

MAX_KEY_CHARACTERS = 200
MAX_PASSAGES = 1_000_000
"""More than any document has."""


def routes(max_upload_bytes: int) -> list[Any]:
    """Return the handlers; uploads may be larger than other bodies."""

    @post(
        "/v1/collections/{collection:str}/documents",
        status_code=202,
        guards=[writers],
        tags=["documents"],
        request_max_body_size=max_upload_bytes,
    )
    async def add_documents(
        collection: FromPath[str],
        request: Request[Any, Any, Any],
        intake: IntakeDep,
        services: ServicesDep,
        principal: PrincipalDep,
        audit: AuditDep,
        bulk: FromQuery[bool] = False,
    ) -> AcceptedDocuments:
        """Submit documents. A 202 response is durable: they are stored and will be indexed.

        Send JSON, or files in the multipart field `files`, where the field `id` may name each of them. With the
        header `Idempotency-Key`, sending the same again changes nothing. `bulk` work is queued behind interactive work.
        """
        async with drafts_of(request, services) as drafts:
            with audit.record("add_documents", principal, collection=collection, documents=len(drafts)):
                documents = await intake.submit(
                    collection,
                    drafts,
                    audience=principal.audience,
                    bulk=bulk,
                    request=_idempotency_key(request, principal),
                )
        return AcceptedDocuments(documents=[_accepted(document) for document in documents])

    return [
        add_documents,
        list_documents,
        get_document,
        change_document,
        get_passages,
        get_original,
        get_text,
        delete_document,
        reindex_document,
    ]


@get("/v1/collections/{collection:str}/documents", guards=[readers], tags=["documents"])
async def list_documents(
    collection: FromPath[str],
    library: LibraryDep,
    principal: PrincipalDep,
    states: Annotated[list[DocumentState] | None, QueryParameter(name="state")] = None,
    ids: Annotated[list[str] | None, QueryParameter(name="id", max_items=PAGE_LIMIT)] = None,
    cursor: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_LIMIT)] = 50,
) -> DocumentList:
    """Return a page of documents, newest first; or with `id`, which may be repeated, those of the ids that exist."""
    if ids:
        found = await library.documents_by_id(collection, ids, audience=principal.audience)
        shown = [view_of(each) for each in found if not states or each.state in states]
        return DocumentList(documents=shown, cursor=None)
    page = await library.documents(
        collection, audience=principal.audience, states=states or (), cursor=cursor, limit=limit
    )
    return DocumentList(documents=[view_of(each) for each in page.documents], cursor=page.cursor)


@get("/v1/collections/{collection:str}/documents/{document_id:str}", guards=[readers], tags=["documents"])
async def get_document(
    collection: FromPath[str], document_id: FromPath[str], library: LibraryDep, principal: PrincipalDep
) -> DocumentView:
    """Return the state of a document, or why it failed."""
    return view_of(await library.document(collection, restore_slashes(document_id), audience=principal.audience))


@patch(
    "/v1/collections/{collection:str}/documents/{document_id:str}",
    dto=StrictJson,
    return_dto=None,
    guards=[writers, check_body],
    tags=["documents"],
)
async def change_document(
    collection: FromPath[str],
    document_id: FromPath[str],
    data: JSONBody[DocumentChange],
    library: LibraryDep,
    principal: PrincipalDep,
    audit: AuditDep,
) -> DocumentView:
    """Change the groups that may see a document. In force for every route when the response arrives."""
    id_ = restore_slashes(document_id)
    with audit.record("set_access", principal, collection=collection, document=document_id):
        return view_of(await library.set_access(collection, id_, data.access, audience=principal.audience))


@get("/v1/collections/{collection:str}/documents/{document_id:str}/passages", guards=[readers], tags=["documents"])
async def get_passages(
    collection: FromPath[str],
    document_id: FromPath[str],
    library: LibraryDep,
    services: ServicesDep,
    principal: PrincipalDep,
    offset: Annotated[int, QueryParameter(ge=0, le=MAX_PASSAGES)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_PASSAGES)] = MAX_PASSAGES,
) -> Response[PassageList]:
    """Return what search can find of a document: all passages, or `limit` from the `offset` on."""
    pages = await library.passages(
        collection, restore_slashes(document_id), audience=principal.audience, start=offset, end=offset + limit + 1
    )
    encoded: list[bytes] = []
    has_next = False
    async for page in pages:
        # One more is read than is shown: a next page has it.
        shown = [each for each in page if each.ordinal < offset + limit]
        encoded += await services.loop_turns.map(_encoded_passage, shown)
        has_next = len(shown) < len(page)
    next_offset = offset + limit if encoded and has_next else None
    body = _RawPassages(passages=msgspec.Raw(b"[" + b",".join(encoded) + b"]"), next_offset=next_offset)
    return Response(body)  # type: ignore[arg-type]  # the same, encoded


class _RawPassages(msgspec.Struct, frozen=True, kw_only=True):
    """A `PassageList` whose passages are encoded already."""

    passages: msgspec.Raw
    next_offset: int | None


def _encoded_passage(passage: Passage) -> bytes:
    return msgspec.json.encode(passage_view(passage))


@get("/v1/collections/{collection:str}/documents/{document_id:str}/original", guards=[readers], tags=["documents"])
async def get_original(
    collection: FromPath[str],
    document_id: FromPath[str],
    library: LibraryDep,
    principal: PrincipalDep,
    request: Request[Any, Any, Any],
) -> Stream:
    """Return the document as submitted, always as a download because it may be HTML of an unknown author.

    A `Range` of one span of bytes is answered with 206, or with 416 if the original is shorter.
    """
    id_, span = restore_slashes(document_id), requested_span(request.headers)
    opened = await library.original(collection, id_, span, audience=principal.audience)
    return Stream(
        file_parts(request, collection, opened.parts),
        status_code=span_status(opened),
        media_type="application/octet-stream",
        headers=span_headers(opened) | {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"},
    )


@get("/v1/collections/{collection:str}/documents/{document_id:str}/text", guards=[readers], tags=["documents"])
async def get_text(
    collection: FromPath[str],
    document_id: FromPath[str],
    library: LibraryDep,
    principal: PrincipalDep,
    request: Request[Any, Any, Any],
    start: Annotated[int, QueryParameter(ge=0)] = 0,
    end: Annotated[int | None, QueryParameter(ge=0)] = None,
) -> Stream:
    """Return the text of the live revision, whose characters `start` and `end` of passages, hits and citations count.

    With the query parameters `start` and `end`, that stretch of it.
    """
    text = await library.text(collection, restore_slashes(document_id), start, end, audience=principal.audience)
    parts = file_parts(request, collection, text)
    return Stream(parts, media_type="text/plain; charset=utf-8", headers={"X-Content-Type-Options": "nosniff"})


@delete("/v1/collections/{collection:str}/documents/{document_id:str}", guards=[writers], tags=["documents"])
async def delete_document(
    collection: FromPath[str], document_id: FromPath[str], library: LibraryDep, principal: PrincipalDep, audit: AuditDep
) -> None:
    """Delete a document: first from search, then its original and its record."""
    with audit.record("delete_document", principal, collection=collection, document=document_id):
        await library.delete(collection, restore_slashes(document_id), audience=principal.audience)


@post(
    "/v1/collections/{collection:str}/documents/{document_id:str}/reindex",
    status_code=202,
    guards=[writers],
    tags=["documents"],
)
async def reindex_document(
    collection: FromPath[str],
    document_id: FromPath[str],
    intake: IntakeDep,
    library: LibraryDep,
    principal: PrincipalDep,
    audit: AuditDep,
) -> AcceptedDocument:
    """Index a document's stored original again, such as after a failure."""
    audience = principal.audience
    with audit.record("reindex_document", principal, collection=collection, document=document_id):
        document = await library.document(collection, restore_slashes(document_id), audience=audience)
        return _accepted(await intake.reindex(collection, document.id, audience=audience))


def _accepted(document: Document) -> AcceptedDocument:
    return AcceptedDocument(id=document.id, state=document.state, revision=document.revision, url=url_of(document))


def _idempotency_key(request: Request[Any, Any, Any], principal: Principal) -> str | None:
    """Return the idempotency key, which means nothing to clients with another API key."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= MAX_KEY_CHARACTERS:
        raise InvalidInput(f"is 1 to {MAX_KEY_CHARACTERS} characters", field="Idempotency-Key")
    return key and f"{principal.id}\n{key}"
