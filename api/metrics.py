"""The API's Prometheus metrics, one registry per application."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from api.admission import AdmissionGate, AdmissionGates
from api.keys import KeyFile, KeyRing
from api.registry_keys import RegistryKeys
from phoserve.composition import Stores
from phoserve.documents.records import DocumentState
from phoserve.embedding.caching import CachingEmbedder
from phoserve.embedding.ports import Embedder
from phoserve.errors import PhoserveError

COUNT_EVERY_S: Final = 5.0
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The API's counters; no label ever holds a collection, a document or a key."""

    def __init__(
        self,
        gates: AdmissionGates,
        embedders: Sequence[Embedder],
        keys: KeyRing,
        registries: tuple[CollectorRegistry, ...] = (),
    ) -> None:
        """Count in a registry of its own; watch gates, query caches and key file. `registries` are exported too."""
        self.registry = CollectorRegistry()
        self._registries = (self.registry, *registries)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Histogram(
            "phoserve_request_duration_seconds",
            "Time from a request's first byte to its answer's last.",
            ("method", "route", "status"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.stages = Histogram(
            "phoserve_stage_duration_seconds",
            "Time of one stage of a search or an answer.",
            ("stage",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.tokens = Counter(
            "phoserve_tokens", "Tokens read or written, by model kind.", ("kind",), registry=self.registry
        )
        self.dropped_citations = Counter(
            "phoserve_dropped_citations", "Citation markers that named no passage.", registry=self.registry
        )
        self.answers = Counter(
            "phoserve_answers",
            "Answers given, by mode, whether something was found, and whether the LLM had failed.",
            ("mode", "found", "fallback"),
            registry=self.registry,
        )
        self._in_use = Gauge("phoserve_gate_in_use", "Units held at a gate.", ("gate",), registry=self.registry)
        self._refused = Gauge(
            "phoserve_gate_refused", "Requests a gate has answered 429 so far.", ("gate",), registry=self.registry
        )
        self._cache = Gauge(
            "phoserve_query_cache_lookups", "Query embeddings asked for so far.", ("outcome",), registry=self.registry
        )

        self.documents = Gauge(
            "phoserve_documents",
            "Documents in each state; every API process reports the same value.",
            ("state",),
            registry=self.registry,
        )
        self.registry_up = Gauge(
            "phoserve_registry_up", "1 while the database of the registry responds.", registry=self.registry
        )
        self.passages = Gauge("phoserve_passages", "Passages that search can find.", registry=self.registry)
        self.waiting = Gauge("phoserve_waiting_tasks", "Tasks in each queue.", ("queue",), registry=self.registry)
        self._counted_at = -COUNT_EVERY_S
        for gate in gates:
            self._watch_gate(gate)
        self._watch_caches([each for each in embedders if isinstance(each, CachingEmbedder)])
        source = keys.source if isinstance(keys, RegistryKeys) else keys
        if isinstance(source, KeyFile):
            readable = Gauge("phoserve_key_file_readable", "1 while the key file can be read.", registry=self.registry)
            readable.set_function(lambda: float(source.is_readable))

    async def export(self, stores: Stores) -> bytes:
        """Return all metrics in Prometheus's text format, after counting what `stores` hold."""
        await self._count(stores)
        return b"".join(generate_latest(each) for each in self._registries)

    async def _count(self, stores: Stores) -> None:
        """Count at most every `COUNT_EVERY_S` seconds; a store that is away keeps its last figures."""
        if monotonic() - self._counted_at < COUNT_EVERY_S:
            return
        self._counted_at = monotonic()
        self.registry_up.set(0)
        with suppress(PhoserveError):
            counts = await stores.registry.counts()
            self.registry_up.set(1)
            for state in DocumentState:
                self.documents.labels(state.value).set(counts.get(state, 0))
            self.passages.set(await stores.indexes.count())
        with suppress(PhoserveError):
            for name, bulk in (("interactive", False), ("bulk", True)):
                self.waiting.labels(name).set(await stores.queue.depth(bulk=bulk))

    def _watch_gate(self, gate: AdmissionGate) -> None:
        self._in_use.labels(gate.name).set_function(lambda: gate.in_use)
        self._refused.labels(gate.name).set_function(lambda: gate.refused)

    def _watch_caches(self, caches: Sequence[CachingEmbedder]) -> None:
        if caches:
            self._cache.labels("hit").set_function(lambda: sum(cache.hits for cache in caches))
            self._cache.labels("miss").set_function(lambda: sum(cache.misses for cache in caches))

    def observe_stages(self, stages_ms: Mapping[str, float]) -> None:
        """Count the stages of one search or answer."""
        for stage, ms in stages_ms.items():
            self.stages.labels(stage).observe(ms / 1000)
