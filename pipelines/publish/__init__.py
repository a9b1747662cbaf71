"""Publishing: immutable Parquet snapshots with manifests, and a self-contained DuckDB file with views.

Nothing here changes the warehouse, except to repair damaged unused blocks and to restore a lost one.
"""
