"""Enough of Qdrant's protocols for the official client: a process around the client's own local mode.

For tests on machines without a Qdrant server. Requests and answers are the client's own models, so what passes here
speaks the protocol; one request at a time, so writes have one order. Kept in a folder, so that it survives a kill.
"""

import argparse
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar, Request, Response, route
from litestar.handlers import HTTPRouteHandler
from pydantic import TypeAdapter
from qdrant_client import models
from qdrant_client.local.async_qdrant_local import AsyncQdrantLocal

from tests.support.qdrant_standin_grpc import start_grpc
from tests.support.replicas import Replicas

Call = Callable[[AsyncQdrantLocal, str, Any], Awaitable[Any]]


async def _create(local: AsyncQdrantLocal, name: str, body: models.CreateCollection) -> Any:
    if await local.collection_exists(name):
        raise FileExistsError(f"Collection `{name}` already exists!")
    vectors = body.vectors or {}
    return await local.create_collection(name, vectors_config=vectors, sparse_vectors_config=body.sparse_vectors)


async def _upsert(local: AsyncQdrantLocal, name: str, body: Any) -> Any:
    points = body.batch if isinstance(body, models.PointsBatch) else body.points
    return await local.upsert(name, points, update_filter=body.update_filter, update_mode=body.update_mode)


async def _retrieve(local: AsyncQdrantLocal, name: str, body: models.PointRequest) -> Any:
    payload = True if body.with_payload is None else body.with_payload
    return await local.retrieve(name, body.ids, with_payload=payload, with_vectors=body.with_vector or False)


async def _scroll(local: AsyncQdrantLocal, name: str, body: models.ScrollRequest) -> Any:
    payload = True if body.with_payload is None else body.with_payload
    records, offset = await local.scroll(
        name,
        scroll_filter=body.filter,
        limit=body.limit or 10,
        order_by=body.order_by,
        offset=body.offset,
        with_payload=payload,
        with_vectors=body.with_vector or False,
    )
    return models.ScrollResult(points=records, next_page_offset=offset)


async def _query(local: AsyncQdrantLocal, name: str, body: models.QueryRequest) -> Any:
    query: Any = body.query  # local mode and server have a name of their own for the same union
    return await local.query_points(
        name,
        query=query,
        using=body.using,
        query_filter=body.filter,
        search_params=body.params,
        score_threshold=body.score_threshold,
        limit=body.limit or 10,
        offset=body.offset or 0,
        with_payload=body.with_payload or False,
        with_vectors=body.with_vector or False,
    )


async def _count(local: AsyncQdrantLocal, name: str, body: models.CountRequest) -> Any:
    return await local.count(name, count_filter=body.filter)


async def _facet(local: AsyncQdrantLocal, name: str, body: models.FacetRequest) -> Any:
    return await local.facet(name, body.key, facet_filter=body.filter, limit=body.limit or 10, exact=bool(body.exact))


async def _delete_points(local: AsyncQdrantLocal, name: str, body: Any) -> Any:
    return await local.delete(name, points_selector=body)


async def _set_payload(local: AsyncQdrantLocal, name: str, body: models.SetPayload) -> Any:
    return await local.set_payload(name, body.payload, points=body.points or body.filter or [], key=body.key)


async def _delete_payload(local: AsyncQdrantLocal, name: str, body: models.DeletePayload) -> Any:
    return await local.delete_payload(name, body.keys, points=body.points or body.filter or [])


async def _batch(local: AsyncQdrantLocal, name: str, body: models.UpdateOperations) -> Any:
    await local.batch_update_points(name, update_operations=body.operations)
    return [models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)] * len(body.operations)


async def _alias(local: AsyncQdrantLocal, _: str, body: models.ChangeAliasesOperation) -> Any:
    return await local.update_collection_aliases(change_aliases_operations=body.actions)


async def _exists(local: AsyncQdrantLocal, name: str, _: None) -> Any:
    return models.CollectionExistence(exists=await local.collection_exists(name))


async def _index(local: AsyncQdrantLocal, name: str, _: models.CreateFieldIndex) -> Any:
    local._get_collection(name)  # not found is an error here too; local mode has no indexes to make
    return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)


CALLS: dict[tuple[str, str], tuple[Any, Call]] = {
    ("GET", "/collections"): (None, lambda local, _name, _body: local.get_collections()),
    ("GET", "/aliases"): (None, lambda local, _name, _body: local.get_aliases()),
    ("POST", "/collections/aliases"): (models.ChangeAliasesOperation, _alias),
    ("GET", "/collections/{name:str}"): (None, lambda local, name, _: local.get_collection(name)),
    ("PUT", "/collections/{name:str}"): (models.CreateCollection, _create),
    ("DELETE", "/collections/{name:str}"): (None, lambda local, name, _: local.delete_collection(name)),
    ("GET", "/collections/{name:str}/exists"): (None, _exists),
    ("PUT", "/collections/{name:str}/index"): (models.CreateFieldIndex, _index),
    ("PUT", "/collections/{name:str}/points"): (models.PointsBatch | models.PointsList, _upsert),
    ("POST", "/collections/{name:str}/points"): (models.PointRequest, _retrieve),
    ("POST", "/collections/{name:str}/points/scroll"): (models.ScrollRequest, _scroll),
    ("POST", "/collections/{name:str}/points/query"): (models.QueryRequest, _query),
    ("POST", "/collections/{name:str}/points/count"): (models.CountRequest, _count),
    ("POST", "/collections/{name:str}/points/delete"): (models.FilterSelector | models.PointIdsList, _delete_points),
    ("POST", "/collections/{name:str}/points/payload"): (models.SetPayload, _set_payload),
    ("POST", "/collections/{name:str}/points/payload/delete"): (models.DeletePayload, _delete_payload),
    ("POST", "/collections/{name:str}/points/batch"): (models.UpdateOperations, _batch),
    ("POST", "/collections/{name:str}/facet"): (models.FacetRequest, _facet),
}


def create_app(folder: Path, host: str, grpc_port: int) -> Litestar:
    """Serve what is kept in `folder` over REST, and over gRPC on `grpc_port`."""
    local = AsyncQdrantLocal(str(folder), force_disable_check_same_thread=True)
    replicas = Replicas()
    handlers = [_handler(local, replicas, method, path, *spec) for (method, path), spec in CALLS.items()]

    @asynccontextmanager
    async def grpc_served(_: Litestar) -> AsyncIterator[None]:
        server = await start_grpc(local, host, grpc_port, replicas)
        yield
        await server.stop(None)

    @route("/test/replicas/{dead:int}", http_method="PUT", status_code=200)
    async def kill_replicas(dead: int) -> Replicas:
        """Set the number of dead replicas and return the state before."""
        before = replace(replicas)
        replicas.dead = dead
        return before

    routes = [*handlers, _ready, _version, kill_replicas]
    return Litestar(routes, openapi_config=None, lifespan=[grpc_served])


@route("/readyz", http_method="GET")
async def _ready() -> str:
    return "all shards are ready"


@route("/", http_method="GET")
async def _version() -> dict[str, str]:
    return {"title": "stand-in for tests", "version": "1.20.0"}


def _handler(
    local: AsyncQdrantLocal, replicas: Replicas, method: str, path: str, kind: Any, call: Call
) -> HTTPRouteHandler:
    adapter = TypeAdapter(kind)

    async def answer(request: Request[Any, Any, Any]) -> Response[Any]:
        begun = time.perf_counter()
        if refusal := replicas.refusal(request.query_params.get("consistency")):
            return _failed(500, RuntimeError(refusal))
        try:
            body = None if kind is None else adapter.validate_json(await request.body())
            result = await call(local, request.path_params.get("name", ""), body)
        except FileExistsError as error:
            return _failed(409, error)
        except ValueError as error:
            return _failed(404 if "not found" in str(error) else 400, error)
        content = TypeAdapter(Any).dump_python(result, mode="json")
        return Response({"result": content, "status": "ok", "time": time.perf_counter() - begun})

    return route(path, http_method=method, status_code=200, name=f"{method} {path}")(answer)  # type: ignore[arg-type]


def _failed(status: int, error: Exception) -> Response[Any]:
    return Response({"status": {"error": str(error)}, "result": None, "time": 0.0}, status_code=status)


def main() -> None:
    """Serve a folder until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--grpc-port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    app = create_app(arguments.folder, arguments.host, arguments.grpc_port)
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
