"""Logs and alerts, with secrets redacted. Nothing here imports Dagster, DuckDB or Arrow."""
