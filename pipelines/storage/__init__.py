"""Files below the home folder: paths, durable writes, locks, landed pages and retention.

Nothing here opens DuckDB or imports Dagster.
"""
