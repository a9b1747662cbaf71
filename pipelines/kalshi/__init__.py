"""The Kalshi API: requests, retries, pacing, paging and sweeps, with typed errors that say what to do.

Nothing here imports Dagster, Parquet or DuckDB, or interprets a milestone beyond what paging needs.
"""
