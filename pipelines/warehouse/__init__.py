"""The private DuckDB file: who may write, what it holds, how a sweep gets into it in one transaction."""
