"""Bytes to records: strict decoding, canonical JSON, content hash, RFC 3339. Pure: no I/O, no clock, no Dagster."""
