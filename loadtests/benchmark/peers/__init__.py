"""What the platform is compared with; these run in an environment of their own (docs/benchmarks.md)."""
