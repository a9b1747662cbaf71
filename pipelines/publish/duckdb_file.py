"""Builds the published DuckDB file: a copy of the closed warehouse, without its private tables, with the views."""

from __future__ import annotations

from pathlib import Path

import duckdb

from pipelines.publish.views import create_views
from pipelines.reading.connection import CATALOG
from pipelines.storage.durable import copy_file, sync
from pipelines.storage.home import Home
from pipelines.warehouse.compaction import discard
from pipelines.warehouse.connection import SKIP_ROW_GROUP_MERGE, attach, second_connection
from pipelines.warehouse.statements import transaction
from schemas.sql import quote
from schemas.tables import PRIVATE_TABLES


def make_next(connection: duckdb.DuckDBPyConnection, home: Home, file: Path) -> None:
    """Build `file` from the closed warehouse and sync it. It stays attached to `connection`, for reading only."""
    discard(file)
    copy_file(home.warehouse_file, file)
    attach(connection, file, CATALOG)
    with second_connection(connection) as own:
        own.execute(SKIP_ROW_GROUP_MERGE)
        # One transaction, as each commit syncs the write-ahead log.
        with transaction(own):
            for table in PRIVATE_TABLES:
                own.execute(f"DROP TABLE {quote(table.name)}")
            create_views(own)
        # With an empty write-ahead log, closing the file does not write to it.
        own.execute(f"CHECKPOINT {CATALOG}")
    sync(file)
