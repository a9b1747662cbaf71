"""Bytes to records: strict decoding, canonical JSON, content hash, times. Pure: no I/O, no clock, no Dagster."""
