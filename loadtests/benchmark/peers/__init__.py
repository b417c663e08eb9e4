"""The peers of the platform. They run in a separate environment (docs/benchmarks.md)."""
