"""Load tests and benchmarks: programs that measure, run by hand or by `make bench`."""
