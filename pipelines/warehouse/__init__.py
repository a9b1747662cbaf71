"""The private DuckDB file: its schema, migrations, audits, and the transaction that loads a sweep.

Nothing here imports Dagster, calls the API or writes a published file.
"""
