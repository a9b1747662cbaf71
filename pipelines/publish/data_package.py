"""Describes the Parquet files of a snapshot as a Frictionless Data Package: `datapackage.json`.

It says what the manifest does not: columns with types and meanings, keys, references and rules, in a format that other
tools read. The files' sizes and checksums are those of the manifest; nothing is read again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from pipelines.publish.manifest import PublishedFile, describe
from pipelines.storage.durable import sync
from schemas.data_package import LICENSE, PROFILE, SOURCE, declared, field, typed
from schemas.endpoints import PUBLISHED_TABLES
from schemas.tables import DETAILS_FIELDS, MILESTONE_ID, SCHEMA_VERSION

DATA_PACKAGE_FILE = "datapackage.json"

# The columns of a typed table are in the order of their paths; listing the actual ones takes ten times as long.
_TYPED_FIELDS = f"""
    SELECT table_name, type, column_name, sql_type, path, kinds FROM {{catalog}}.{DETAILS_FIELDS.name}
    ORDER BY type, path
"""  # noqa: S608


def data_package(
    connection: duckdb.DuckDBPyConnection,
    snapshot: str,
    files: Iterable[PublishedFile],
    *,
    catalog: str,
    now: datetime,
) -> dict[str, Any]:
    """The descriptor of the snapshot with these files; `catalog` is the name under which the warehouse is attached.

    Its version is `<schema version>.0.<number of the snapshot>`.
    """
    of_table: defaultdict[str, list[PublishedFile]] = defaultdict(list)
    for file in files:
        if file.table:
            of_table[file.table].append(file)
    resources = [declared(table) for table in PUBLISHED_TABLES]
    resources += _typed(connection, catalog)
    return {
        "$schema": PROFILE,
        "name": "kalshi-milestones",
        "title": "Kalshi milestones",
        "description": "Kalshi's milestones with the events, participants and live data that belong to them. "
        "All times are UTC.",
        "version": f"{SCHEMA_VERSION}.0.{int(snapshot.partition('-')[0])}",
        "created": now,
        "snapshot": snapshot,
        "sources": [SOURCE],
        "licenses": [LICENSE],
        "resources": [resource | _files(snapshot, of_table[resource["name"]]) for resource in resources],
    }


def write_data_package(package: Mapping[str, Any], building: Path) -> PublishedFile:
    """Write a descriptor into the folder of a snapshot being built; its manifest entry."""
    file = building / DATA_PACKAGE_FILE
    file.write_bytes(msgspec.json.format(msgspec.json.encode(package), indent=2) + b"\n")
    sync(file)
    return describe(file, path=f"{building.parent.name}/{package['snapshot']}/{DATA_PACKAGE_FILE}", table=None, rows=0)


def _typed(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[dict[str, Any]]:
    """The resources of the typed tables, with their columns in order."""
    key = field(MILESTONE_ID.name, MILESTONE_ID.sql_type, MILESTONE_ID.description, constraints={"required": True})
    fields: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(lambda: [key])
    for table, type_, name, sql_type, path, kinds in connection.execute(
        _TYPED_FIELDS.format(catalog=catalog)
    ).fetchall():
        columns = fields[table, type_]
        if name is not None:
            at = f"details.{path}" if path else "details"
            columns.append(field(name, sql_type, f"{at}; JSON kinds: {kinds}.", source=at))
    return [typed(table, type_, columns) for (table, type_), columns in fields.items()]


def _files(snapshot: str, files: list[PublishedFile]) -> dict[str, Any]:
    """What a resource says of its files. A list of files has no checksum of its own: `parts` has one for each."""
    parts = [
        {
            "path": file.path.partition(f"/{snapshot}/")[2],
            "bytes": file.bytes,
            "hash": f"sha256:{file.sha256}",
            "rows": file.rows,
        }
        for file in files
    ]
    if len(parts) == 1:
        return parts[0]
    return {
        "path": [part["path"] for part in parts],
        "bytes": sum(file.bytes for file in files),
        "rows": sum(file.rows for file in files),
        "parts": parts,
    }
