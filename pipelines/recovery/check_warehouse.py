"""Checks the warehouse: its blocks, the hash of every version in its logs, every derived table, keys and the ledger.

It works on a private copy, so that a run can open the warehouse at any time, and all tables can be derived again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.errors import WarehouseLost, WarehouseUnusable
from pipelines.flatten.validate import breaches
from pipelines.recovery.faults import REBUILD, RESTORE, Checked, Fault
from pipelines.staging.files import Staging
from pipelines.storage.durable import make_private
from pipelines.storage.home import Home
from pipelines.storage.temporary import VERIFICATION
from pipelines.warehouse import audits, derived
from pipelines.warehouse.blocks import read_through
from pipelines.warehouse.connection import explain_damage, open_writing
from pipelines.warehouse.database import Warehouse, version_of
from pipelines.warehouse.endpoints import find_offences
from pipelines.warehouse.undisturbed import copy_undisturbed
from pipelines.warehouse.version_logs import log_faults, version_count
from pipelines.wording import counted
from schemas.endpoints import ENDPOINT_QUARANTINE, ENDPOINT_SWEEPS, ENDPOINTS, UNKNOWN_KEYS
from schemas.sql import quote
from schemas.tables import KEPT_TABLES, SCHEMA_VERSION


def check_warehouse(home: Home) -> Checked:
    """Verify the warehouse of a home; it is not changed. Raises WarehouseDisturbed."""
    if not home.warehouse_file.exists():
        return _missing(home)
    with _private_folder(home) as folder:
        copy = folder / home.warehouse_file.name
        copy_undisturbed(home.warehouse_file, copy)
        try:
            return _check(home, copy)
        except WarehouseUnusable as error:
            return Checked("", [_unusable(home, copy, error)])


def _missing(home: Home) -> Checked:
    try:
        Warehouse(home).check_not_lost()
    except WarehouseLost as error:
        return Checked("", [Fault(str(error).rpartition(": ")[0], RESTORE)])
    return Checked("warehouse: none yet")


@contextmanager
def _private_folder(home: Home) -> Iterator[Path]:
    folder = home.warehouse / f"{VERIFICATION}{os.getpid()}"
    make_private(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unusable(home: Home, copy: Path, error: WarehouseUnusable) -> Fault:
    """The fault of a copy that DuckDB cannot read, in terms of the warehouse."""
    text = str(error).replace(str(copy), str(home.warehouse_file))
    cause = error.__cause__
    if isinstance(cause, duckdb.Error):
        return Fault(f"{home.warehouse_file} is damaged ({str(cause).splitlines()[0]})", RESTORE)
    # Written by a newer version, or by another program: the error says what to do.
    return Fault(text, "")


def _check(home: Home, copy: Path) -> Checked:
    _, are_blocks_whole = read_through(copy)
    with explain_damage(copy), open_writing(copy) as connection:
        version = version_of(connection, copy)
        before = derived.contents(connection)
        faults = [Fault(str(fault), RESTORE) for fault in log_faults(connection)]
        if not faults and version == SCHEMA_VERSION:
            faults = list(_check_tables(connection, Staging(copy.parent / "rebuild"), before))
        versions = version_count(connection)
    if not are_blocks_whole:
        # Every row could be read. A publish copies the rows of such a file into a new one.
        faults.insert(0, Fault(f"{home.warehouse_file}: a block that holds no rows is damaged", REBUILD))
    tables = "every table has the rows that they give" if version == SCHEMA_VERSION else f"schema version {version}"
    return Checked(f"warehouse: {counted(versions, 'version')} as hashed when received, {tables}", faults)


def _check_tables(
    connection: duckdb.DuckDBPyConnection, staging: Staging, before: dict[str, derived.Content]
) -> Iterator[Fault]:
    """Compare the derived tables with the logs, then check what no log has; the derived tables are then right."""
    for difference in derived.rebuild_differences(connection, staging, before):
        yield Fault(difference, REBUILD)
    for broken in broken_rules(connection):
        yield Fault(broken, RESTORE)


def broken_rules(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """What breaks a rule in tables that cannot be derived. The others must be right, as references lead to them."""
    for finding in _audited(connection):
        if not finding.passed:
            yield str(finding)
    for endpoint in ENDPOINTS:
        yield from find_offences(connection, endpoint)
    for table in (ENDPOINT_SWEEPS, ENDPOINT_QUARANTINE, UNKNOWN_KEYS):
        rows = connection.sql(f"SELECT * FROM {quote(table.name)}").to_arrow_table()  # noqa: S608
        for breach in breaches(table, rows.cast(table.arrow_schema))[:1]:
            yield f"{table.name}: {breach.description}"


def _audited(connection: duckdb.DuckDBPyConnection) -> Iterator[audits.Finding]:
    for audit in audits.audits():
        yield audits.run(connection, audit)
    for table in KEPT_TABLES:
        yield from audits.check_new_rows(connection, table.name, None)
