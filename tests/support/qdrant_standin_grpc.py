"""Enough of Qdrant's gRPC protocol for the official client, over the same local mode as the REST stand-in."""

import time
from collections.abc import Awaitable
from typing import Any, TypeAlias

import grpc
from qdrant_client import grpc as wire
from qdrant_client import models
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.grpc.collections_service_pb2_grpc import (
    CollectionsServicer,
    add_CollectionsServicer_to_server,
)
from qdrant_client.grpc.points_service_pb2_grpc import PointsServicer, add_PointsServicer_to_server
from qdrant_client.local.async_qdrant_local import AsyncQdrantLocal

from tests.support.replicas import Replicas

Context: TypeAlias = Any  # grpc ships no types


async def start_grpc(local: AsyncQdrantLocal, host: str, port: int, replicas: Replicas) -> grpc.aio.Server:
    """Serve `local`; the caller stops the server."""
    server = grpc.aio.server(interceptors=[_Errors(replicas)])
    add_PointsServicer_to_server(_Points(local), server)  # type: ignore[no-untyped-call]
    add_CollectionsServicer_to_server(_Collections(local), server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(f"{host}:{port}")
    await server.start()
    return server


class _Errors(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Answer with the status that Qdrant has for an error of local mode, and for reads that replicas cannot answer."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        found = await continuation(details)
        if found is None:
            return found

        async def call(request: Any, context: Context) -> Any:
            if refusal := self._replicas.refusal(_consistency(request)):
                await context.abort(grpc.StatusCode.INTERNAL, refusal)
            try:
                return await found.unary_unary(request, context)
            except FileExistsError as error:
                await context.abort(grpc.StatusCode.ALREADY_EXISTS, str(error))
            except ValueError as error:
                missing = "not found" in str(error)
                code = grpc.StatusCode.NOT_FOUND if missing else grpc.StatusCode.INVALID_ARGUMENT
                await context.abort(code, str(error))

        return grpc.unary_unary_rpc_method_handler(call, found.request_deserializer, found.response_serializer)


class _Points(PointsServicer):
    def __init__(self, local: AsyncQdrantLocal) -> None:
        self._local = local

    async def Upsert(self, request: Any, _: Context) -> Any:  # noqa: N802 - the protocol's name, as are the next
        points = [GrpcToRest.convert_point_struct(point) for point in request.points]
        mode = GrpcToRest.convert_update_mode(request.update_mode) if request.HasField("update_mode") else None
        return await _done(
            self._local.upsert(
                request.collection_name, points, update_filter=_filter(request, "update_filter"), update_mode=mode
            )
        )

    async def Delete(self, request: Any, _: Context) -> Any:  # noqa: N802
        selector = GrpcToRest.convert_points_selector(request.points)
        return await _done(self._local.delete(request.collection_name, points_selector=selector))

    async def SetPayload(self, request: Any, _: Context) -> Any:  # noqa: N802
        selector: Any = GrpcToRest.convert_points_selector(request.points_selector)
        payload = GrpcToRest.convert_payload(request.payload)
        return await _done(self._local.set_payload(request.collection_name, payload, points=selector))

    async def DeletePayload(self, request: Any, _: Context) -> Any:  # noqa: N802
        selector: Any = GrpcToRest.convert_points_selector(request.points_selector)
        return await _done(self._local.delete_payload(request.collection_name, list(request.keys), points=selector))

    async def UpdateBatch(self, request: Any, _: Context) -> Any:  # noqa: N802
        if not request.operations:
            raise ValueError("Validation error in body: operations: must be at least 1")
        operations = [GrpcToRest.convert_points_update_operation(each) for each in request.operations]
        await self._local.batch_update_points(request.collection_name, update_operations=operations)
        return wire.UpdateBatchResponse(result=[_completed() for _ in operations])

    async def CreateFieldIndex(self, request: Any, _: Context) -> Any:  # noqa: N802
        self._local._get_collection(request.collection_name)  # not found is an error here too
        return wire.PointsOperationResponse(result=_completed())

    async def Get(self, request: Any, _: Context) -> Any:  # noqa: N802
        ids = [GrpcToRest.convert_point_id(each) for each in request.ids]
        records = await self._local.retrieve(
            request.collection_name, ids, with_payload=_payload(request), with_vectors=_vectors(request)
        )
        return wire.GetResponse(result=[RestToGrpc.convert_record(record) for record in records])

    async def Scroll(self, request: Any, _: Context) -> Any:  # noqa: N802
        records, offset = await self._local.scroll(
            request.collection_name,
            scroll_filter=_filter(request),
            limit=request.limit or 10,
            order_by=GrpcToRest.convert_order_by(request.order_by) if request.HasField("order_by") else None,
            offset=GrpcToRest.convert_point_id(request.offset) if request.HasField("offset") else None,
            with_payload=_payload(request),
            with_vectors=_vectors(request),
        )
        return wire.ScrollResponse(
            result=[RestToGrpc.convert_record(record) for record in records],
            next_page_offset=None if offset is None else RestToGrpc.convert_extended_point_id(offset),
        )

    async def Query(self, request: Any, _: Context) -> Any:  # noqa: N802
        query: Any = GrpcToRest.convert_query(request.query) if request.HasField("query") else None
        answer = await self._local.query_points(
            request.collection_name,
            query=query,
            using=request.using or None,
            query_filter=_filter(request),
            search_params=GrpcToRest.convert_search_params(request.params) if request.HasField("params") else None,
            limit=request.limit or 10,
            offset=request.offset,
            with_payload=_payload(request),
            with_vectors=_vectors(request),
        )
        return wire.QueryResponse(result=[RestToGrpc.convert_scored_point(point) for point in answer.points])

    async def Count(self, request: Any, _: Context) -> Any:  # noqa: N802
        found = await self._local.count(request.collection_name, count_filter=_filter(request))
        return wire.CountResponse(result=RestToGrpc.convert_count_result(found))


class _Collections(CollectionsServicer):
    def __init__(self, local: AsyncQdrantLocal) -> None:
        self._local = local

    async def CollectionExists(self, request: Any, _: Context) -> Any:  # noqa: N802
        exists = await self._local.collection_exists(request.collection_name)
        return wire.CollectionExistsResponse(result=wire.CollectionExists(exists=exists))

    async def List(self, _: Any, __: Context) -> Any:  # noqa: N802
        there = (await self._local.get_collections()).collections
        return wire.ListCollectionsResponse(collections=[wire.CollectionDescription(name=each.name) for each in there])

    async def Get(self, request: Any, _: Context) -> Any:  # noqa: N802
        found = await self._local.get_collection(request.collection_name)
        return wire.GetCollectionInfoResponse(result=RestToGrpc.convert_collection_info(found))

    async def Create(self, request: Any, _: Context) -> Any:  # noqa: N802
        name = request.collection_name
        if await self._local.collection_exists(name):
            raise FileExistsError(f"Collection `{name}` already exists!")
        sparse: Any = None
        if request.HasField("sparse_vectors_config"):
            sparse = GrpcToRest.convert_sparse_vector_config(request.sparse_vectors_config)
        vectors: Any = {}
        if request.HasField("vectors_config"):
            vectors = GrpcToRest.convert_vectors_config(request.vectors_config)
        created = await self._local.create_collection(name, vectors_config=vectors, sparse_vectors_config=sparse)
        return wire.CollectionOperationResponse(result=created)

    async def Delete(self, request: Any, _: Context) -> Any:  # noqa: N802
        return wire.CollectionOperationResponse(result=await self._local.delete_collection(request.collection_name))

    async def ListAliases(self, _: Any, __: Context) -> Any:  # noqa: N802
        aliases = (await self._local.get_aliases()).aliases
        return wire.ListAliasesResponse(aliases=[RestToGrpc.convert_alias_description(each) for each in aliases])

    async def UpdateAliases(self, request: Any, _: Context) -> Any:  # noqa: N802
        actions: list[Any] = [GrpcToRest.convert_alias_operations(each) for each in request.actions]
        done = await self._local.update_collection_aliases(change_aliases_operations=actions)
        return wire.CollectionOperationResponse(result=done)


def _consistency(request: Any) -> str | None:
    if "read_consistency" not in request.DESCRIPTOR.fields_by_name or not request.HasField("read_consistency"):
        return None
    given = request.read_consistency
    if given.WhichOneof("value") == "factor":
        return str(given.factor)
    return str(wire.ReadConsistencyType.Name(given.type)).lower()


async def _done(call: Awaitable[Any]) -> Any:
    begun = time.perf_counter()
    await call
    return wire.PointsOperationResponse(result=_completed(), time=time.perf_counter() - begun)


def _completed() -> Any:
    done = models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)
    return RestToGrpc.convert_update_result(done)


def _filter(request: Any, name: str = "filter") -> models.Filter | None:
    return GrpcToRest.convert_filter(getattr(request, name)) if request.HasField(name) else None


def _payload(request: Any) -> Any:
    selector = request.with_payload if request.HasField("with_payload") else None
    return GrpcToRest.convert_with_payload_interface(selector) if selector is not None else False


def _vectors(request: Any) -> Any:
    selector = request.with_vectors if request.HasField("with_vectors") else None
    return GrpcToRest.convert_with_vectors_selector(selector) if selector is not None else False
