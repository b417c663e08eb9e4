"""Readiness: a canary text comes back as a vector and the search engine responds.

Registry, queue and LLM are reported but not required: an outage of one would make every API process unready at once,
and search with it. Without the queue documents are accepted and found by `reconcile`. Without the LLM answers are
extractive. Without the registry collections are known from a cache for a while: searches are answered, writes get 503.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct

from phoserve.answers.ports import ChatModel
from phoserve.composition import Stores
from phoserve.documents.collection_cache import KEPT_S
from phoserve.embedding.ports import Embedder
from phoserve.errors import ContractMismatch, PhoserveError, Unavailable

CANARY: Final = "Xin chào, đây là câu kiểm tra."
CHECK_TIMEOUT_S: Final = 5.0
# Probes of many load balancers must not become a load of their own.
KEEP_S: Final = 2.0
KEEP_LLM_S: Final = 20.0
"""Asking a provider for its models costs a request elsewhere."""
NEEDED: Final = ("embedder", "index")
UNIT_LENGTH_TOLERANCE: Final = 1e-2


class DependencyHealth(Struct, frozen=True, omit_defaults=True):
    """One dependency; `detail` has the error, or what answered."""

    ok: bool
    detail: str
    took_ms: float = 0.0


class Readiness(Struct, frozen=True, omit_defaults=True):
    """Whether requests can be served, and which model serves them; callers without a key get the first two."""

    ready: bool
    status: Annotated[str, Meta(description="`ok`; `degraded` without the queue or the LLM; `down` if not ready.")]
    model: str | None = None
    fingerprint: str | None = None
    dependencies: dict[str, DependencyHealth] | None = None


@dataclass(slots=True)
class ReadinessProbe:
    """Checks all dependencies concurrently, at most every `KEEP_S` seconds."""

    stores: Stores
    chat: ChatModel | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _latest: Readiness | None = None
    _fresh_until: float = -math.inf
    _llm: DependencyHealth | None = None
    _llm_fresh_until: float = -math.inf
    _registry_seen_at: float = -math.inf

    async def check(self) -> Readiness:
        """Return the latest result, at most `KEEP_S` seconds old."""
        clock = asyncio.get_running_loop().time
        async with self._lock:
            if self._latest is None or clock() >= self._fresh_until:
                self._latest = await self._check_all()
                self._fresh_until = clock() + KEEP_S
            return self._latest

    async def _check_all(self) -> Readiness:
        checks = self._checks()
        found = await asyncio.gather(*(_timed(check) for check in checks.values()))
        dependencies = dict(zip(checks, found, strict=True))
        if self.chat is not None:
            dependencies["llm"] = await self._check_llm(self.chat)
        ready = all(dependencies[name].ok for name in NEEDED) and self._is_registry_known()
        is_whole = all(each.ok for each in dependencies.values())
        contract = self.stores.embedders.interactive.contract
        return Readiness(
            ready=ready,
            status=("ok" if is_whole else "degraded") if ready else "down",
            model=contract.name,
            fingerprint=contract.fingerprint,
            dependencies=dependencies,
        )

    async def _check_llm(self, chat: ChatModel) -> DependencyHealth:
        """Return the LLM's health, checked at most every `KEEP_LLM_S` seconds while it is well."""
        clock = asyncio.get_running_loop().time
        if self._llm is None or clock() >= self._llm_fresh_until:
            self._llm = await _timed(chat.check)
            self._llm_fresh_until = clock() + (KEEP_LLM_S if self._llm.ok else KEEP_S)
        return self._llm

    def _is_registry_known(self) -> bool:
        """Whether the registry has responded while what was read from it is still in use."""
        return asyncio.get_running_loop().time() - self._registry_seen_at < KEPT_S

    def _checks(self) -> dict[str, Callable[[], Awaitable[str]]]:
        return {"embedder": self._embedder, "index": self._index, "registry": self._registry, "queue": self._queue}

    async def _embedder(self) -> str:
        models = [each.model for each in self.stores.directory.models]
        served_by = await asyncio.gather(*(_embed_canary(each.embedders.interactive) for each in models))
        return f"served by {', '.join(served_by)}"

    async def _index(self) -> str:
        for each in self.stores.directory.models:
            expected = each.model.contract.fingerprint
            if each.index.fingerprint != expected:
                raise ContractMismatch(
                    f"the index holds vectors of model {each.index.fingerprint}, the embedder is {expected}; "
                    "run `phoserve reembed`"
                )
        await asyncio.gather(*(index.ping() for index in self.stores.indexes))
        return "responds"

    async def _registry(self) -> str:
        await self.stores.registry.ping()
        self._registry_seen_at = asyncio.get_running_loop().time()
        return "responds"

    async def _queue(self) -> str:
        return f"{await self.stores.queue.depth()} tasks waiting"


async def _embed_canary(embedder: Embedder) -> str:
    """Return what embedded the canary. Raises Unavailable if the vector cannot be right."""
    embeddings = await embedder.embed([CANARY], timeout_s=CHECK_TIMEOUT_S)
    contract, vector = embedder.contract, embeddings.vectors[0]
    if vector.shape != (contract.dim,) or not np.isfinite(vector).all():
        raise Unavailable("embedder", f"the canary's vector of {contract.name} is not {contract.dim} finite numbers")
    if contract.normalise and abs(float(np.linalg.norm(vector)) - 1.0) > UNIT_LENGTH_TOLERANCE:
        raise Unavailable("embedder", f"the canary's vector of {contract.name} does not have length 1")
    return embeddings.served_by


async def _timed(check: Callable[[], Awaitable[str]]) -> DependencyHealth:
    clock = asyncio.get_running_loop().time
    begun = clock()
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            ok, detail = True, await check()
    except TimeoutError:
        ok, detail = False, f"no answer within {CHECK_TIMEOUT_S:g} s"
    except PhoserveError as error:
        ok, detail = False, str(error)
    return DependencyHealth(ok=ok, detail=detail, took_ms=round((clock() - begun) * 1000, 1))
