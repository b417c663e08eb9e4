"""Durations of the stages of a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from opentelemetry import trace

_tracer = trace.get_tracer("phoserve")


@dataclass(slots=True)
class Timings:
    """Milliseconds by stage. Stages may overlap. Each stage is a span of the current trace."""

    ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block as `name`. Repeated names are added up."""
        begun = perf_counter()
        try:
            with _tracer.start_as_current_span(f"phoserve.{name}"):
                yield
        finally:
            self.ms[name] = round(self.ms.get(name, 0.0) + (perf_counter() - begun) * 1000, 3)
