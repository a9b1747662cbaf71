"""Loads a staged sweep of an endpoint beside milestones: compares, flattens, validates, and writes one transaction."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.errors import MilestonesError
from pipelines.flatten.endpoints.tables import flatten_versions
from pipelines.flatten.validate import Breach, breaches
from pipelines.staging.files import ROWS_PER_BATCH, Staging
from pipelines.warehouse.statements import insert_row, transaction, unordered
from schemas.api import CLOCK_TOLERANCE_SECONDS
from schemas.endpoint import Endpoint
from schemas.endpoints import ENDPOINT_QUARANTINE, ENDPOINT_SWEEPS, ENDPOINT_TABLES, ENDPOINTS
from schemas.sql import quote
from schemas.table import Table

INTERRUPTED = "interrupted"
"""The error of a sweep whose pages were loaded after it had been killed."""

RECORDS, REFUSED = "records", "refused"
"""Names of staged parts: decoded records, and quarantine rows."""

RECORDS_SCHEMA = pa.schema(
    [
        ("page", pa.int32()),
        ("position", pa.int32()),
        ("key", pa.string()),
        ("content_hash", pa.string()),
        ("last_updated_ts", pa.timestamp("us", tz="UTC")),
        ("seen_at", pa.timestamp("us", tz="UTC")),
        ("record", pa.string()),
    ]
)


class EndpointUnsound(MilestonesError):
    """The tables of an endpoint would be inconsistent after a load, which was rolled back."""


@dataclass(kw_only=True)
class EndpointLedgerRow:
    """A row of `endpoint_sweeps`; `schemas.endpoints.ENDPOINT_SWEEPS` describes the columns."""

    endpoint: str
    sweep_id: str
    mode: str
    started_at: datetime
    finished_at: datetime
    status: str = "loaded"
    pages: int = 0
    records: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    superseded: int = 0
    quarantined: int = 0
    requested_keys: int = 0
    unknown_keys: int = 0
    remaining_keys: int = 0
    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    bytes: int = 0
    watermark: datetime | None = None
    next_cursor: str | None = None
    list_began_at: datetime | None = None
    error: str | None = None


@dataclass
class _Staged:
    """Outcomes of the decoded records; refused ones are counted under their outcome before the refusal."""

    outcomes: Counter[str] = field(default_factory=Counter)
    refused: int = 0


def load_endpoint(
    connection: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    staging: Staging,
    ledger: EndpointLedgerRow,
    unknown: list[str],
) -> EndpointLedgerRow:
    """Load staged records, all of them or nothing, and return the ledger row with its counts. Raises EndpointUnsound.

    `ledger.quarantined` is the number of records refused by decoding. `unknown` are requested keys that the API did not
    return.
    """
    if ledger.error == INTERRUPTED and _is_loaded(connection, ledger):
        # Killed after its commit: its own row of the ledger is right.
        return ledger
    staged = _stage(connection, endpoint, staging, ledger.sweep_id)
    ledger.new, ledger.changed = staged.outcomes["new"], staged.outcomes["changed"]
    ledger.unchanged, ledger.superseded = staged.outcomes["unchanged"], staged.outcomes["superseded"]
    ledger.quarantined += staged.refused
    with transaction(connection, deletes=True):
        _replace_rows(connection, endpoint, staging)
        _advance_updates(connection, endpoint)
        _note_unknown(connection, endpoint, unknown, ledger.started_at)
        write_endpoint_ledger(connection, staging, ledger)
        if offences := find_offences(connection, endpoint):
            raise EndpointUnsound(f"{'; '.join(offences)}: run milestones rebuild, then refresh again")
    return ledger


def _is_loaded(connection: duckdb.DuckDBPyConnection, ledger: EndpointLedgerRow) -> bool:
    rows = connection.execute(
        "SELECT 1 FROM endpoint_sweeps WHERE endpoint = ? AND sweep_id = ? AND status = 'loaded'",
        [ledger.endpoint, ledger.sweep_id],
    ).fetchall()
    return bool(rows)


def write_endpoint_ledger(
    connection: duckdb.DuckDBPyConnection, staging: Staging | None, ledger: EndpointLedgerRow
) -> None:
    """Write the ledger row and the quarantine rows of a sweep. Run inside a transaction."""
    for table in (ENDPOINT_QUARANTINE, ENDPOINT_SWEEPS):
        # A repeated load replaces the rows of the attempt before it.
        connection.execute(
            f"DELETE FROM {quote(table.name)} WHERE endpoint = ? AND sweep_id = ?",  # noqa: S608
            [ledger.endpoint, ledger.sweep_id],
        )
    if staging is not None and (refused := staging.parts(REFUSED)):
        _insert(connection, ENDPOINT_QUARANTINE, refused)
    insert_row(connection, ENDPOINT_SWEEPS, asdict(ledger))


def _stage(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint, staging: Staging, sweep_id: str) -> _Staged:
    """Classify the staged records into the temporary table `arrived`; flatten and validate what is new or changed."""
    log, key = quote(endpoint.log.name), quote(endpoint.key_column)
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE arrived AS
            WITH ranked AS (
                SELECT * EXCLUDE (record), row_number() OVER (
                    PARTITION BY key ORDER BY last_updated_ts DESC NULLS LAST, page DESC, position DESC) AS rank
                FROM read_parquet($records)
            )
            SELECT ranked.*, stored.version AS stored_version,
                   greatest(seen_at, stored.valid_from + INTERVAL 1 MICROSECOND) AS begins_at,
                   CASE WHEN rank > 1 THEN 'superseded' WHEN stored.version IS NULL THEN 'new'
                        WHEN ranked.content_hash = stored.content_hash THEN 'unchanged'
                        WHEN ranked.last_updated_ts < stored.last_updated_ts
                             AND stored.last_updated_ts <= seen_at + to_seconds($tolerance) THEN 'superseded'
                        ELSE 'changed' END AS outcome
            FROM ranked LEFT JOIN {log} AS stored ON stored.{key} = ranked.key AND stored.valid_to IS NULL""",  # noqa: S608
        {"records": staging.parts(RECORDS), "tolerance": CLOCK_TOLERANCE_SECONDS},
    )
    counted = connection.execute("SELECT outcome, count(*) FROM arrived GROUP BY outcome").fetchall()
    result = _Staged(Counter(dict(counted)))
    for table in (endpoint.log, *endpoint.tables):
        staging.write(table.name, 0, _stored_schema(table).empty_table())
    versions = connection.sql(
        f"""SELECT arrived.key AS {key}, coalesce(stored_version, 0) + 1 AS version, arrived.content_hash,
                   arrived.last_updated_ts, begins_at AS valid_from, CAST(NULL AS TIMESTAMPTZ) AS valid_to,
                   $sweep_id AS sweep_id, records.record, coalesce(first.valid_from, begins_at) AS first_seen_at,
                   begins_at AS last_changed_at, arrived.page, arrived.position, arrived.seen_at, outcome
            FROM arrived JOIN read_parquet($records) AS records USING (page, position)
            LEFT JOIN {log} AS first ON first.{key} = arrived.key AND first.version = 1
            WHERE outcome IN ('new', 'changed')""",  # noqa: S608
        params={"records": staging.parts(RECORDS), "sweep_id": sweep_id},
    ).to_arrow_reader(ROWS_PER_BATCH)
    for number, batch in enumerate(versions, start=1):
        _stage_batch(endpoint, staging, number, pa.table(batch), result)
    return result


def _stage_batch(endpoint: Endpoint, staging: Staging, number: int, versions: pa.Table, result: _Staged) -> None:
    """Flatten and validate a batch into the parts with this number. A record with a bad row is refused as a whole."""
    key = endpoint.key_column
    tables = flatten_versions(endpoint, versions)
    refused: dict[str, Breach] = {}
    for table in (endpoint.log, *endpoint.tables):
        rows = _with_generated(table, tables[table.name])
        for breach in breaches(table, rows):
            refused.setdefault(rows[key][breach.row].as_py(), breach)
    if refused:
        bad = versions.filter(_is_in(versions[key], refused)).to_pylist()
        result.refused += len(bad)
        result.outcomes.subtract(row["outcome"] for row in bad)
        staging.write(REFUSED, 1_000_000 + number, _refused_rows(endpoint, bad, refused))
        tables = {name: rows.filter(pc.invert(_is_in(rows[key], refused))) for name, rows in tables.items()}
    for name, rows in tables.items():
        staging.write(name, number, rows)


def _stored_schema(table: Table) -> pa.Schema:
    return pa.schema([table.arrow_schema.field(name) for name in table.stored_columns])


def _with_generated(table: Table, rows: pa.Table) -> pa.Table:
    """The rows with a value in generated columns, which rules do not read, so that pandera finds every column."""
    for place, column in enumerate(table.columns):
        if column.generated:
            value = pa.array([False] * rows.num_rows) if column.type == pa.bool_() else rows["valid_from"]
            rows = rows.add_column(place, table.arrow_schema.field(column.name), value)
    return rows.cast(table.arrow_schema)


def _is_in(values: pa.ChunkedArray, keys: dict[str, Breach]) -> pa.ChunkedArray:
    return pc.is_in(values, value_set=pa.array(list(keys), pa.string()))


def _refused_rows(endpoint: Endpoint, bad: list[dict[str, Any]], refused: dict[str, Breach]) -> pa.Table:
    breach_of = [refused[row[endpoint.key_column]] for row in bad]
    return pa.Table.from_pydict(
        {
            "endpoint": [endpoint.name] * len(bad),
            "sweep_id": [row["sweep_id"] for row in bad],
            "page": [row["page"] for row in bad],
            "position": [row["position"] for row in bad],
            "key": [row[endpoint.key_column] for row in bad],
            "reason": [f"breaks a rule: {breach.description}" for breach in breach_of],
            "field": [breach.column for breach in breach_of],
            "record": [row["record"] for row in bad],
            "seen_at": [row["seen_at"] for row in bad],
        },
        schema=ENDPOINT_QUARANTINE.arrow_schema,
    )


def _replace_rows(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint, staging: Staging) -> None:
    log, key = quote(endpoint.log.name), quote(endpoint.key_column)
    staged = staging.parts(endpoint.log.name)
    connection.execute(
        f"UPDATE {log} SET valid_to = staged.valid_from FROM read_parquet($staged) AS staged "  # noqa: S608
        f"WHERE {log}.{key} = staged.{key} AND {log}.valid_to IS NULL",
        {"staged": staged},
    )
    _insert(connection, endpoint.log, staged)
    for table in endpoint.tables:
        connection.execute(
            f"DELETE FROM {quote(table.name)} WHERE {key} IN (SELECT {key} FROM read_parquet($staged))",  # noqa: S608
            {"staged": staged},
        )
        _insert(connection, table, staging.parts(table.name))


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, parts: list[str]) -> None:
    with unordered(connection):
        connection.execute(
            f"INSERT INTO {quote(table.name)} BY NAME SELECT * FROM read_parquet($parts)",  # noqa: S608
            {"parts": parts},
        )


def _advance_updates(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> None:
    """Store newer update times of records with unchanged content."""
    of_current = {endpoint.log.name: "valid_to IS NULL"} | {table.name: "true" for table in endpoint.tables[:1]}
    for name, condition in of_current.items():
        connection.execute(
            f"UPDATE {quote(name)} SET last_updated_ts = arrived.last_updated_ts FROM arrived "  # noqa: S608
            f"WHERE outcome = 'unchanged' AND {quote(name)}.{quote(endpoint.key_column)} = arrived.key AND {condition} "
            f"AND (arrived.last_updated_ts > {quote(name)}.last_updated_ts "
            f"OR arrived.last_updated_ts IS NOT NULL AND {quote(name)}.last_updated_ts IS NULL)"
        )


def _note_unknown(
    connection: duckdb.DuckDBPyConnection, endpoint: Endpoint, unknown: list[str], asked_at: datetime
) -> None:
    parameters = {"endpoint": endpoint.name, "unknown": unknown, "asked_at": asked_at}
    connection.execute(
        "DELETE FROM unknown_keys WHERE endpoint = $endpoint AND key IN (SELECT key FROM arrived)",
        {"endpoint": endpoint.name},
    )
    connection.execute(
        "UPDATE unknown_keys SET last_asked_at = $asked_at, times_asked = times_asked + 1 "
        "WHERE endpoint = $endpoint AND key IN (SELECT unnest($unknown))",
        parameters,
    )
    connection.execute(
        "INSERT INTO unknown_keys SELECT $endpoint, key, $asked_at, $asked_at, 1 "
        "FROM (SELECT DISTINCT unnest($unknown) AS key) AS asked "
        "ANTI JOIN (SELECT key FROM unknown_keys WHERE endpoint = $endpoint) AS known USING (key)",
        parameters,
    )


def find_offences(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> list[str]:
    """Why the tables of an endpoint must not be published: keys that are not unique, rows without a current version."""
    key = quote(endpoint.key_column)
    offences = []
    for table in (endpoint.log, *endpoint.tables):
        columns = ", ".join(map(quote, table.key))
        offences += [
            f"{table.name}: ({', '.join(table.key)}) is not unique, for example {row[0]}"
            for row in connection.execute(
                f"SELECT {key} FROM {quote(table.name)} GROUP BY {columns} HAVING count(*) > 1 LIMIT 1"  # noqa: S608
            ).fetchall()
        ]
    current = f"(SELECT {key} FROM {quote(endpoint.log.name)} WHERE valid_to IS NULL) AS current"  # noqa: S608
    for table in endpoint.tables[:1]:
        offences += [
            f"{table.name}: its rows are not those of the current versions, for example {row[0]}"
            for row in connection.execute(
                f"SELECT coalesce(current.{key}, here.{key}) FROM {current} "  # noqa: S608
                f"FULL JOIN {quote(table.name)} AS here USING ({key}) "
                f"WHERE current.{key} IS NULL OR here.{key} IS NULL LIMIT 1"
            ).fetchall()
        ]
    return offences


def endpoint_versions(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """By table of the endpoints, the newest sweeps that changed it or may have: equal means unchanged."""
    newest = {
        name: (f"{name} {any_sweep}", f"{changing} {count}", f"{with_records} {count}")
        for name, any_sweep, changing, with_records, count in connection.execute(
            """SELECT endpoint, max(sweep_id) || ' ' || count(*), max(sweep_id) FILTER (new + changed > 0),
                      max(sweep_id) FILTER (new + changed + unchanged > 0), sum(new + changed)
               FROM endpoint_sweeps GROUP BY endpoint ORDER BY endpoint"""
        ).fetchall()
    }
    of_all = ", ".join(every for every, _, _ in newest.values())
    # Records with an update time may advance it without a new version.
    own = {
        table.name: newest.get(endpoint.name, ("", "", ""))[2 if endpoint.times else 1]
        for endpoint in ENDPOINTS
        for table in (endpoint.log, *endpoint.tables)
    }
    return {table.name: own.get(table.name, of_all) for table in ENDPOINT_TABLES}


def rebuild_endpoints(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Derive the tables of every endpoint, and the flattened columns of its log, again from the log.

    Run inside a transaction.
    """
    for endpoint in ENDPOINTS:
        derived = [*endpoint.tables, *([endpoint.log] if endpoint.has_flat_log else [])]
        staging.folder.mkdir(parents=True, exist_ok=True)
        for table in derived:
            staging.write(table.name, 0, _stored_schema(table).empty_table())
            versions = _versions(connection, endpoint, is_log=table is endpoint.log)
            for number, batch in enumerate(versions, start=1):
                staging.write(table.name, number, flatten_versions(endpoint, pa.table(batch))[table.name])
        for table in derived:
            connection.execute(f"DELETE FROM {quote(table.name)}")  # noqa: S608
            _insert(connection, table, staging.parts(table.name))
        shutil.rmtree(staging.folder)


def _versions(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint, *, is_log: bool) -> Iterator[pa.RecordBatch]:
    """All versions for the log, the current ones for other tables, with the life of each record."""
    key = quote(endpoint.key_column)
    yield from connection.sql(
        f"""SELECT *, min(valid_from) OVER (PARTITION BY {key}) AS first_seen_at, valid_from AS last_changed_at
            FROM {quote(endpoint.log.name)} QUALIFY $is_log OR valid_to IS NULL""",  # noqa: S608
        params={"is_log": is_log},
    ).to_arrow_reader(ROWS_PER_BATCH)
