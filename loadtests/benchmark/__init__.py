"""End-to-end benchmarks of the platform: real processes on this machine, over HTTP."""
