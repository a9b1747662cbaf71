"""Reading what is published. Public: `open_reader` and `query`, which need DuckDB and pytz, not Dagster or Arrow."""

from pipelines.reading.connection import QueryResult, open_reader, query

__all__ = ("QueryResult", "open_reader", "query")
