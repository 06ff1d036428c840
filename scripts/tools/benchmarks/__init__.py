"""Measurements of `scripts/benchmark`; their results lie in `tests/benchmarks/`."""
