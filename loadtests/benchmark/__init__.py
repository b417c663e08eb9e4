"""Benchmarks of the platform as its users reach it: real processes on this machine, over HTTP."""
