"""Thresholds of a load test. A run that misses one ends with exit code 1."""

from dataclasses import dataclass

from locust.stats import StatsEntry


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Limits over all requests of a run. None means no limit."""

    p95_ms: float | None = None
    p99_ms: float | None = None
    error_share: float | None = 0.0
    """Share of all requests, 0 to 1."""
    requests_per_s: float | None = None

    def broken(self, total: StatsEntry) -> list[str]:
        """Return a message for each limit that `total` violates. A run without requests violates all."""
        if not total.num_requests:
            return ["no request was sent"]
        seen = {
            "p95": (total.get_response_time_percentile(0.95), self.p95_ms, "ms"),
            "p99": (total.get_response_time_percentile(0.99), self.p99_ms, "ms"),
            "share of errors": (total.fail_ratio, self.error_share, ""),
        }
        said = [
            f"{name} is {value:.4g} {unit}, over {limit:.4g}".replace("  ", " ")
            for name, (value, limit, unit) in seen.items()
            if limit is not None and value > limit
        ]
        if self.requests_per_s is not None and total.total_rps < self.requests_per_s:
            said.append(f"{total.total_rps:.4g} requests/s, below {self.requests_per_s:.4g}")
        return said
