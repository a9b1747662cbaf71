"""What readers open: an immutable Parquet snapshot with its manifest, and a self-contained DuckDB file."""
