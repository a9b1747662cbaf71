"""The Kalshi API: one page at a time, whole or not at all, politely, with errors that say what to do.

Nothing here knows Dagster, Parquet or DuckDB. The client lands bytes; what they mean is decided elsewhere.
"""
