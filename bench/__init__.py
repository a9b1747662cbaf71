"""Benchmarks: figures that README and notes quote come from here, never from timed tests."""
