"""Benchmarks. All figures in the documentation come from here; no test measures time."""
