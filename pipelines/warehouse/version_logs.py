"""Checks the version logs, from which everything else is derived: each record against its content hash.

A block's checksum proves what DuckDB wrote, not that it is what was received: a fault of memory, or a hand that edits
the file, leaves valid blocks. The hash of each version was computed from the response, before it came here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import msgspec

from pipelines.records.canonical import canonical_json, content_hash
from pipelines.staging.files import ROWS_PER_BATCH
from pipelines.wording import counted
from schemas.api import object_decoder
from schemas.endpoint import Endpoint
from schemas.endpoints import ENDPOINTS, MILESTONES_ENDPOINT
from schemas.sql import quote

LOGGED = (MILESTONES_ENDPOINT, *ENDPOINTS)
"""Everything that has a version log."""


@dataclass(frozen=True)
class LogFault:
    """A rule that some versions of a log break; `example` is the key of one of them."""

    table: str
    rule: str
    versions: int
    example: str

    def __str__(self) -> str:
        return f"{self.table}: {counted(self.versions, 'version')} {self.rule}, for example of {self.example}"


def version_count(connection: duckdb.DuckDBPyConnection) -> int:
    """The number of versions in all logs of a warehouse or a published file."""
    return sum(
        connection.execute(f"SELECT count(*) FROM {quote(endpoint.log.name)}").fetchall()[0][0]  # noqa: S608
        for endpoint in _logs_in(connection)
    )


def log_faults(connection: duckdb.DuckDBPyConnection) -> list[LogFault]:
    """Versions that cannot be what was received, or that do not follow each other; empty if the logs are sound."""
    return [
        fault
        for endpoint in _logs_in(connection)
        for fault in (*_order(connection, endpoint), *_hashes(connection, endpoint))
    ]


def _logs_in(connection: duckdb.DuckDBPyConnection) -> list[Endpoint]:
    """The endpoints whose log is there: older warehouses have fewer."""
    rows = connection.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()")
    names = {name for (name,) in rows.fetchall()}
    return [endpoint for endpoint in LOGGED if endpoint.log.name in names]


def _order(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> Iterator[LogFault]:
    """Numbers of versions that are not unique, and versions that begin before their predecessor has ended."""
    log, key = quote(endpoint.log.name), quote(endpoint.key_column)
    twice = f"SELECT {key} FROM {log} GROUP BY {key}, version HAVING count(*) > 1"  # noqa: S608
    overlapping = (
        f"SELECT {key} FROM {log} AS earlier JOIN {log} AS later USING ({key}) "  # noqa: S608
        "WHERE later.version = earlier.version + 1 AND coalesce(earlier.valid_to > later.valid_from, true)"
    )
    rules = {"with the number of another one": twice, "with a start before the end of the previous one": overlapping}
    for rule, query in rules.items():
        count, example = connection.execute(f"SELECT count(*), min({key}) FROM ({query})").fetchall()[0]  # noqa: S608
        if count:
            yield LogFault(endpoint.log.name, rule, count, example)


def _hashes(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> Iterator[LogFault]:
    """Versions whose record is not canonical JSON with the version's content hash."""
    log, key = quote(endpoint.log.name), quote(endpoint.key_column)
    reader = connection.sql(f"SELECT {key}, content_hash, record FROM {log}").to_arrow_reader(ROWS_PER_BATCH)  # noqa: S608
    bad = [
        of
        for batch in reader
        for of, expected, record in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        if not is_as_hashed(endpoint, of, expected, record)
    ]
    if bad:
        yield LogFault(endpoint.log.name, "with a record that differs from its content hash", len(bad), str(bad[0]))


def is_as_hashed(endpoint: Endpoint, key: str, expected: str, record: str) -> bool:
    """Whether a record is canonical JSON, of this key, with this content hash."""
    text = record.encode()
    try:
        value = object_decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return (
        value.get(endpoint.key) == key
        and canonical_json(value) == text
        and content_hash(value, text, volatile=endpoint.volatile) == expected
    )
