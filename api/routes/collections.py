"""Collections: make, list, look at, delete."""

import asyncio

from litestar import Response, delete, get, put
from litestar.params import FromPath, JSONBody

from api.audit import audited
from api.auth import admins, readers, writers
from api.body import StrictJson
from api.dependencies import LibraryDep, PrincipalDep, ServicesDep
from api.schemas.documents import CollectionList, CollectionRequest, CollectionView, collection_view
from api.schemas.weights import fusion_of
from api.services import Services
from phoserve.documents.library import Library
from phoserve.documents.records import Collection


@put("/v1/collections/{collection:str}", dto=StrictJson, return_dto=None, guards=[writers], tags=["collections"])
async def put_collection(
    collection: FromPath[str],
    library: LibraryDep,
    services: ServicesDep,
    principal: PrincipalDep,
    data: JSONBody[CollectionRequest | None] = None,
) -> Response[CollectionView]:
    """Make a collection, or change the description or weights of one: 201 if it is new."""
    with audited("put_collection", principal, collection=collection):
        wanted = data or CollectionRequest()
        made, is_new = await library.create_collection(
            collection, description=wanted.description, fusion=fusion_of(wanted.weights)
        )
    return Response(await _view(made, library, services), status_code=201 if is_new else 200)


@get("/v1/collections", guards=[readers], tags=["collections"])
async def list_collections(library: LibraryDep, services: ServicesDep, principal: PrincipalDep) -> CollectionList:
    """The collections that the key may touch, by name."""
    visible = [each for each in await library.collections() if principal.may_touch(each.name)]
    return CollectionList(collections=await asyncio.gather(*(_view(each, library, services) for each in visible)))


@get("/v1/collections/{collection:str}", guards=[readers], tags=["collections"])
async def get_collection(collection: FromPath[str], library: LibraryDep, services: ServicesDep) -> CollectionView:
    """One collection, with its documents counted by state."""
    return await _view(await library.collection(collection), library, services)


@delete("/v1/collections/{collection:str}", guards=[admins], tags=["collections"])
async def delete_collection(collection: FromPath[str], library: LibraryDep, principal: PrincipalDep) -> None:
    """Delete a collection with all its documents; search no longer finds them from now on."""
    with audited("delete_collection", principal, collection=collection):
        await library.delete_collection(collection)


async def _view(collection: Collection, library: Library, services: Services) -> CollectionView:
    index = services.stores.index
    counts, passages = await asyncio.gather(library.counts(collection), index.count(collection.id))
    return collection_view(collection, counts, passages, collection.fusion or services.contract.fusion)
