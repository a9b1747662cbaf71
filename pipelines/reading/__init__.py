"""Read access to the published file. Public: `open_reader` and `query`, which need DuckDB and pytz only."""

from pipelines.reading.connection import QueryResult, open_reader, query

__all__ = ("QueryResult", "open_reader", "query")
