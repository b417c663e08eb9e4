"""Collections: make, list, look at, delete."""

import asyncio

from litestar import Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from api.auth import admins, check_body, readers, writers
from api.body import StrictJson
from api.dependencies import AuditDep, LibraryDep, PrincipalDep, ServicesDep
from api.keys import Principal
from api.schemas.documents import (
    CollectionList,
    CollectionModel,
    CollectionRequest,
    CollectionView,
    ModelRequest,
    collection_view,
    model_view,
)
from api.schemas.weights import fusion_of
from api.services import Services
from phoserve.documents.access import Audience
from phoserve.documents.collections import Collection
from phoserve.documents.library import Library, ModelName
from phoserve.errors import Conflict


@put(
    "/v1/collections/{collection:str}",
    dto=StrictJson,
    return_dto=None,
    guards=[writers, check_body],
    tags=["collections"],
)
async def put_collection(
    collection: FromPath[str],
    library: LibraryDep,
    services: ServicesDep,
    principal: PrincipalDep,
    audit: AuditDep,
    data: JSONBody[CollectionRequest | None] = None,
) -> Response[CollectionView]:
    """Make a collection, or change the description or weights of one: 201 if it is new.

    A new one is embedded by `model`, the default one if left out.
    """
    with audit.record("put_collection", principal, collection=collection):
        wanted = data or CollectionRequest()
        chosen = services.directory.named(wanted.model)
        made, is_new = await library.create_collection(
            collection,
            description=wanted.description,
            fusion=fusion_of(wanted.weights),
            model=ModelName(chosen.model.name, chosen.fingerprint),
        )
        if wanted.model is not None and made.fingerprint != chosen.fingerprint:
            raise Conflict(
                f"the collection has the model {made.model or made.fingerprint!r}; to embed its documents again with "
                f"{chosen.model.name!r}, POST /v1/collections/{made.name}/model"
            )
    return Response(await _view(made, library, services, principal), status_code=201 if is_new else 200)


@get("/v1/collections", guards=[readers], tags=["collections"])
async def list_collections(library: LibraryDep, services: ServicesDep, principal: PrincipalDep) -> CollectionList:
    """Return the collections that the key may access, by name."""
    visible = [each for each in await library.collections() if principal.may_touch(each.name)]
    return CollectionList(
        collections=await asyncio.gather(*(_view(each, library, services, principal) for each in visible))
    )


@get("/v1/collections/{collection:str}", guards=[readers], tags=["collections"])
async def get_collection(
    collection: FromPath[str], library: LibraryDep, services: ServicesDep, principal: PrincipalDep
) -> CollectionView:
    """Return a collection, with the documents that the key may see counted by state."""
    return await _view(await library.collection(collection), library, services, principal)


@delete("/v1/collections/{collection:str}", guards=[admins], tags=["collections"])
async def delete_collection(
    collection: FromPath[str], library: LibraryDep, principal: PrincipalDep, audit: AuditDep
) -> None:
    """Delete a collection with all its documents; search no longer finds them from now on."""
    with audit.record("delete_collection", principal, collection=collection):
        await library.delete_collection(collection)


@post(
    "/v1/collections/{collection:str}/model",
    dto=StrictJson,
    return_dto=None,
    status_code=202,
    guards=[admins, check_body],
    tags=["collections"],
)
async def change_model(
    collection: FromPath[str],
    data: JSONBody[ModelRequest],
    library: LibraryDep,
    services: ServicesDep,
    principal: PrincipalDep,
    audit: AuditDep,
) -> CollectionModel:
    """Embed the collection's documents again with another model, in the background.

    Searches use the former model until all are embedded. If the collection has that model already, nothing changes.
    """
    with audit.record("change_model", principal, collection=collection, model=data.model):
        chosen = services.directory.named(data.model)
        changed = await library.change_model(collection, ModelName(chosen.model.name, chosen.fingerprint))
    return model_view(changed, _model_name(changed, services), principal.audience)


@get("/v1/collections/{collection:str}/model", guards=[readers], tags=["collections"])
async def get_model(
    collection: FromPath[str], library: LibraryDep, services: ServicesDep, principal: PrincipalDep
) -> CollectionModel:
    """Return the collection's model, and how far a change to another one is."""
    found = await library.collection(collection)
    return model_view(found, _model_name(found, services), principal.audience)


@delete("/v1/collections/{collection:str}/model", status_code=200, guards=[admins], tags=["collections"])
async def cancel_model_change(
    collection: FromPath[str], library: LibraryDep, services: ServicesDep, principal: PrincipalDep, audit: AuditDep
) -> CollectionModel:
    """Cancel the change to another model; what it has embedded so far is deleted. Without a change, nothing happens."""
    with audit.record("cancel_model_change", principal, collection=collection):
        found = await library.cancel_model_change(collection)
    return model_view(found, _model_name(found, services), principal.audience)


async def _view(collection: Collection, library: Library, services: Services, principal: Principal) -> CollectionView:
    audience = await services.access.narrow(principal.audience)
    counts, passages = await asyncio.gather(
        library.counts(collection, audience=audience), _passages(collection, services, audience)
    )
    searched = services.directory.find(collection) or services.directory.default
    fusion = collection.fusion or searched.model.contract.fusion
    return collection_view(
        collection, counts, passages, fusion, model=_model_name(collection, services), audience=audience
    )


def _model_name(collection: Collection, services: Services) -> str:
    return collection.model or services.directory.name_of(collection.fingerprint)


async def _passages(collection: Collection, services: Services, audience: Audience) -> int:
    """Return how many passages searches find; none where the collection's model is not served."""
    model = services.directory.find(collection)
    return await model.index.count(collection.id, audience=audience) if model else 0
