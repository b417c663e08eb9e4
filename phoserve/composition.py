"""Open the adapters that the API and the workers share, according to the settings."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from phoserve.adapters.celery_queue import CeleryQueue
from phoserve.adapters.qdrant.index import QdrantPassageIndex
from phoserve.adapters.qdrant.server import QdrantOptions, connect, reachable_grpc_port
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.adapters.sql.answer_log import SqlAnswerLog
from phoserve.adapters.sql.audit_log import SqlAuditLog
from phoserve.adapters.sql.database import Database, DatabaseOptions, open_database, parse_url, password_of
from phoserve.adapters.sql.key_store import SqlKeyStore
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import wait_for_schema
from phoserve.adapters.triton.embedder import TritonEmbedder
from phoserve.administration.audit import AuditStore
from phoserve.administration.keys import KeyStore
from phoserve.answers.feedback import AnswerLog
from phoserve.contract import ModelContract, served_names
from phoserve.documents.active_model import settle_models
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import DocumentRegistry, SourceStore, TaskQueue
from phoserve.embedding.models import ModelCatalog, ServedModel
from phoserve.embedding.stack import Embedders, stack_embedder
from phoserve.errors import ConfigurationError
from phoserve.search.directory import IndexedModel, ModelDirectory
from phoserve.search.ports import PassageIndex
from phoserve.settings import AnswerSettings, AuditSettings, ModelServer, QdrantSettings, RegistrySettings, Settings
from phoserve.text import TextPipeline


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Open adapters, ready for use cases. Their opener closes them."""

    text: TextPipeline
    embedders: Embedders
    index: PassageIndex
    registry: DocumentRegistry
    sources: SourceStore
    queue: TaskQueue
    answers: AnswerLog | None = None
    """Keeps answers for feedback; None where none are kept."""
    keys: KeyStore | None = None
    audit: AuditStore | None = None
    """Keeps audit events; None where none are kept."""
    more_models: tuple[ServedModel, ...] = ()
    more_indexes: tuple[PassageIndex, ...] = ()
    """Those of `more_models`, in the same order."""
    aliases: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def directory(self) -> ModelDirectory:
        """All embedding models with their indexes; the default one is that of `text`, `embedders` and `index`."""
        name = served_names([self.contract, *(model.contract for model in self.more_models)])[0]
        models = (ServedModel(text=self.text, embedders=self.embedders, triton_name=name), *self.more_models)
        indexes = (self.index, *self.more_indexes)
        return ModelDirectory(
            [IndexedModel(model=model, index=index) for model, index in zip(models, indexes, strict=True)],
            self.aliases,
        )

    @property
    def indexes(self) -> PassageStores[PassageIndex]:
        """The indexes of all models."""
        return self.directory.indexes

    @property
    def contract(self) -> ModelContract:
        """The contract of the default model."""
        return self.embedders.interactive.contract


@asynccontextmanager
async def open_stores(settings: Settings) -> AsyncIterator[Stores]:
    """Open the stores of a platform of several processes and close them at the end.

    Waits for the registry and for Qdrant. Raises ConfigurationError, ContractMismatch.
    """
    async with AsyncExitStack() as stack:
        models = await open_models(settings, settings.model.folder, stack)
        registry = await stack.enter_async_context(open_registry(settings.registry))
        indexes = [
            await stack.enter_async_context(open_qdrant(settings.qdrant, model.text.contract)) for model in models
        ]
        queue = CeleryQueue(settings.redis.url.get_secret_value())
        stack.push_async_callback(queue.close)
        sources = ObjectStoreSources(settings.sources.url)
        stores = assemble_stores(settings, models, indexes, registry, sources, queue)
        await settle_models(registry, stores.indexes, stores.directory.name_of)
        yield stores


def assemble_stores(
    settings: Settings,
    models: Sequence[ServedModel],
    indexes: Sequence[PassageIndex],
    registry: SqlRegistry,
    sources: SourceStore,
    queue: TaskQueue,
) -> Stores:
    """Return the stores of these open models, the default one first, and of their indexes in the same order."""
    default, *more = models
    return Stores(
        text=default.text,
        embedders=default.embedders,
        index=indexes[0],
        registry=registry,
        sources=sources,
        queue=queue,
        answers=open_answer_log(registry, settings.answers),
        keys=SqlKeyStore(registry.database),
        audit=open_audit_log(registry, settings.audit),
        more_models=tuple(more),
        more_indexes=tuple(indexes[1:]),
        aliases=settings.models.aliases,
    )


def open_answer_log(registry: SqlRegistry, settings: AnswerSettings) -> AnswerLog | None:
    """Return the log of answers in the registry's database; None where the settings keep none."""
    return SqlAnswerLog(registry.database, keep_hours=settings.keep_hours) if settings.keep_hours else None


def open_audit_log(registry: SqlRegistry, settings: AuditSettings) -> AuditStore | None:
    """Return the log of audit events in the registry's database; None where the settings keep none."""
    if not settings.keep_days:
        return None
    return SqlAuditLog(registry.database, keep_days=settings.keep_days, max_events=settings.max_events)


async def open_models(settings: Settings, default: Path, stack: AsyncExitStack) -> list[ServedModel]:
    """Open the model in the folder `default` and those that the settings name; `stack` closes them.

    Raises ConfigurationError.
    """
    folders, servers = (default, *settings.models.folders), settings.models.servers
    for folder in servers.keys() - {*folders}:
        raise ConfigurationError(f"PHOSERVE_MODELS__SERVERS: {folder} is not among PHOSERVE_MODELS__FOLDERS")
    texts = [await asyncio.to_thread(TextPipeline.load, folder) for folder in folders]
    models = []
    shared = [text.contract for folder, text in zip(folders, texts, strict=True) if folder not in servers]
    names = iter(served_names(shared))
    for folder, text in zip(folders, texts, strict=True):
        server = servers.get(folder)
        name = served_names([text.contract])[0] if server else next(names)
        embedders = open_embedders(settings, text.contract, name, server)
        stack.push_async_callback(embedders.close)
        models.append(ServedModel(text=text, embedders=embedders, triton_name=name))
    ModelCatalog(models, settings.models.aliases)  # refuses wrong aliases at start
    return models


def open_embedders(
    settings: Settings, contract: ModelContract, name: str | None = None, server: ModelServer | None = None
) -> Embedders:
    """Connect to the public model `name` in Triton, on a second server too where the settings name one.

    Nothing is sent yet. Without `name`, the model is the only one served. `server` is the model's own, if it has one.
    """
    triton = settings.triton
    servers = [
        TritonEmbedder(url, contract, name=name, timeout_s=triton.timeout_s, api_key=triton.key)
        for url in ((server or triton).url, (server or triton).fallback_url)
        if url
    ]
    return stack_embedder(*servers, query_cache_entries=settings.limits.query_cache_entries)


@asynccontextmanager
async def open_registry(settings: RegistrySettings) -> AsyncIterator[SqlRegistry]:
    """Wait for the registry's database and close it at the end. Raises ConfigurationError for another schema."""
    database = open_registry_database(settings)
    try:
        await wait_for_schema(database)
        yield SqlRegistry(database)
    finally:
        await database.close()


def open_registry_database(settings: RegistrySettings) -> Database:
    """Open the registry's database; nothing is sent yet. Raises ConfigurationError."""
    options = DatabaseOptions(
        pool_size=settings.pool_size,
        timeout_s=settings.timeout_s,
        connect_timeout_s=settings.connect_timeout_s,
        password_file=settings.password_file,
    )
    return open_database(registry_url(settings), options)


def registry_url(settings: RegistrySettings) -> str:
    """Return the registry's URL with its password. Raises ConfigurationError, Unavailable without a password file."""
    password = settings.password.get_secret_value() if settings.password else None
    if settings.password_file:
        password = password_of(settings.password_file)
    url = parse_url(settings.url.get_secret_value())
    return (url.set(password=password) if password else url).render_as_string(hide_password=False)


@asynccontextmanager
async def open_qdrant(settings: QdrantSettings, contract: ModelContract) -> AsyncIterator[QdrantPassageIndex]:
    """Open the index on the Qdrant server and close it at the end."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    grpc_port = await reachable_grpc_port(settings.url, settings.grpc_port)
    client = connect(settings.url, api_key=key, grpc_port=grpc_port, timeout_s=settings.timeout_s)
    options = QdrantOptions(
        shards=settings.shards,
        replicas=settings.replicas,
        on_disk=settings.on_disk,
        quantization=settings.quantization,
    )
    try:
        yield QdrantPassageIndex(client, contract, options)
    finally:
        await client.close()
