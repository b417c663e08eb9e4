"""Prometheus metrics of ingestion, exported by the worker, or by the API if both are one process."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

STAGE_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
WAIT_SECONDS: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)


class IngestMetrics:
    """Counters of one pipeline. Labels never contain a collection or a document."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._stages = Histogram(
            "phoserve_ingest_stage_duration_seconds",
            "Time of one stage: fetch and parse and chunk a document, embed and stage a batch, publish a document.",
            ("stage",),
            buckets=STAGE_SECONDS,
            registry=self.registry,
        )
        self._waits = Histogram(
            "phoserve_ingest_queue_wait_seconds",
            "Time from a document's acceptance to a worker's first attempt.",
            ("queue",),
            buckets=WAIT_SECONDS,
            registry=self.registry,
        )
        self._ended = Counter(
            "phoserve_ingest_documents", "Attempts, by outcome.", ("outcome",), registry=self.registry
        )
        self._failures = Counter(
            "phoserve_ingest_failures",
            "Failed attempts, by reason.",
            ("outcome", "reason"),
            registry=self.registry,
        )
        self._passages = Counter("phoserve_ingest_passages", "Passages published.", registry=self.registry)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block as one stage."""
        begun = perf_counter()
        try:
            yield
        finally:
            self._stages.labels(name).observe(perf_counter() - begun)

    def waited(self, seconds: float, *, bulk: bool) -> None:
        """Record the queueing time of a document."""
        self._waits.labels("bulk" if bulk else "interactive").observe(max(seconds, 0.0))

    def ended(self, outcome: str, *, reason: str = "", passages: int = 0) -> None:
        """Record the outcome of an attempt: `ready`, `failed` or `postponed`, the last two with a reason."""
        self._ended.labels(outcome).inc()
        self._passages.inc(passages)
        if reason:
            self._failures.labels(outcome, reason).inc()

    def stage_seconds(self) -> dict[str, float]:
        """Return the total time of each stage so far."""
        return {
            sample.labels["stage"]: sample.value
            for family in self._stages.collect()
            for sample in family.samples
            if sample.name.endswith("_sum")
        }
