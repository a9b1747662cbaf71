"""Rebuilds every derived table from the version log.

`rebuild` does it at once; migrations stage the log before their transaction and apply it inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pyarrow as pa

from pipelines.flatten.evidence import ANY_KIND
from pipelines.machine import cores, memory_limit
from pipelines.staging.files import ROWS_PER_BATCH, Staging
from pipelines.staging.stage_tables import stage_log, workers_to_flatten
from pipelines.warehouse import change_log, typed_tables
from pipelines.warehouse.endpoints import rebuild_endpoints
from pipelines.warehouse.statements import append, run_file, sql, transaction
from schemas.sql import quote
from schemas.tables import EVIDENCE, FLAT_TABLES, MILESTONE_CHANGES

VERSIONS_OF_ONE_PART = 250_000
"""A longer log is read in parts of about this many versions, to bound memory."""


StageLog = Callable[[duckdb.DuckDBPyConnection, Staging], None]
"""Stages all tables of the version log, as `stage_whole_log` does."""


def stage_whole_log(
    connection: duckdb.DuckDBPyConnection, staging: Staging, *, versions_of_one_part: int = VERSIONS_OF_ONE_PART
) -> None:
    """Derive every table from the version log into staged files; the log is read in parts of `versions_of_one_part`."""
    versions, milestones = connection.execute(
        "SELECT count(*), count(*) FILTER (version = 1) FROM milestone_versions"
    ).fetchall()[0]
    parts = versions // versions_of_one_part + 1
    latest, older = (_versions(connection, parts, is_latest=is_latest) for is_latest in (True, False))
    stage_log(staging, latest, older, workers=workers_to_flatten(milestones, cores=cores(), memory=memory_limit()))


def rebuild(connection: duckdb.DuckDBPyConnection, staging: Staging, *, stage: StageLog = stage_whole_log) -> None:
    """Derive every table from the version logs, in one transaction. `stage` flattens that of milestones."""
    stage(connection, staging)
    with transaction(connection, deletes=True):
        apply_log(connection, staging)
        rebuild_endpoints(connection, Staging(staging.folder / "endpoints"))


def _versions(connection: duckdb.DuckDBPyConnection, parts: int, *, is_latest: bool) -> Iterator[pa.RecordBatch]:
    """Query part by part while it is read: a connection has one open result at a time."""
    for part in range(parts):
        parameters = {"is_latest": is_latest, "parts": parts, "part": part}
        yield from connection.sql(sql("versions_of_log"), params=parameters).to_arrow_reader(ROWS_PER_BATCH)


def apply_log(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Replace the derived tables by the staged ones. Run inside a transaction."""
    connection.execute(sql("disappearances"))
    for table in (*FLAT_TABLES, MILESTONE_CHANGES):
        connection.execute(f"DELETE FROM {quote(table.name)}")  # noqa: S608
        append(connection, staging, table)
    connection.execute("INSERT INTO milestone_changes BY NAME SELECT * FROM disappearances()")
    replace_evidence(connection, staging.files(EVIDENCE))
    typed_tables.refresh(connection, typed_tables.known_types(connection), changed=None)
    change_log.clear(connection)


def replace_evidence(connection: duckdb.DuckDBPyConnection, files: list[str]) -> None:
    """Replace the evidence by that of these staged files, and keep which of it the contract discarded."""
    # The log does not record that.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE discarded AS SELECT type, path, kind FROM internal_evidence WHERE is_discarded"
    )
    connection.execute(f"DELETE FROM {quote(EVIDENCE.name)}")  # noqa: S608
    run_file(connection, "merge_evidence", evidence=files, discarding=[])
    connection.execute(
        "UPDATE internal_evidence SET is_discarded = true FROM discarded WHERE discarded.type = internal_evidence.type "
        "AND discarded.path = internal_evidence.path AND discarded.kind = internal_evidence.kind"
    )


def keep_discarded(connection: duckdb.DuckDBPyConnection, fields: str) -> None:
    """Restore which fields the contract discarded: the log does not record it, and a rebuild keeps it."""
    connection.execute(
        "INSERT INTO internal_evidence "  # noqa: S608
        "(type, path, kind, records, first_seen_at, last_seen_at, first_sweep_id, is_discarded) "
        "SELECT type, path, unnest(string_split(discarded_kinds, ', ') || if(column_name IS NULL, [$any], [])), "
        f"records, first_seen_at, last_seen_at, first_sweep_id, true FROM {fields} WHERE is_discarded",
        {"any": ANY_KIND},
    )
