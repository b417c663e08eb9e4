"""Operations on many documents of a collection: delete by filter, reindex."""

from litestar import post
from litestar.params import FromPath, JSONBody

from api.auth import check_body, writers
from api.body import StrictJson
from api.dependencies import AuditDep, IntakeDep, LibraryDep, PrincipalDep
from api.filters import parse_filter
from api.schemas.documents import Deleted, DeleteRequest, Reindexed, ReindexRequest
from phoserve.documents.library import PAGE_LIMIT
from phoserve.errors import InvalidInput


@post(
    "/v1/collections/{collection:str}/documents/delete",
    status_code=200,
    dto=StrictJson,
    return_dto=None,
    guards=[writers, check_body],
    tags=["documents"],
)
async def delete_documents(
    collection: FromPath[str],
    library: LibraryDep,
    principal: PrincipalDep,
    audit: AuditDep,
    data: JSONBody[DeleteRequest],
) -> Deleted:
    """Delete the matching documents, a few hundred per call. Repeat the call while `more` is true."""
    where = parse_filter(data.filter)
    if where is None and not data.states:
        raise InvalidInput(
            "set `filter`, `states` or both; to delete all documents, DELETE the collection", field="filter"
        )
    with audit.record("delete_documents", principal, collection=collection):
        deleted = await library.delete_where(collection, audience=principal.audience, where=where, states=data.states)
    return Deleted(deleted=deleted, more=deleted == PAGE_LIMIT)


@post(
    "/v1/collections/{collection:str}/reindex",
    status_code=202,
    dto=StrictJson,
    return_dto=None,
    guards=[writers, check_body],
    tags=["collections"],
)
async def reindex_collection(
    collection: FromPath[str],
    intake: IntakeDep,
    principal: PrincipalDep,
    audit: AuditDep,
    data: JSONBody[ReindexRequest | None] = None,
) -> Reindexed:
    """Reindex the stored originals of all documents, or of those in some states, after interactive work."""
    with audit.record("reindex_collection", principal, collection=collection):
        states = data.states if data else ()
        return Reindexed(queued=await intake.reindex_all(collection, audience=principal.audience, states=states))
