"""`milestones publish`: publishes the newest snapshot to an Iceberg catalogue."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from pipelines.cli.app import FLAG, app
from pipelines.errors import ExtraMissing, WrongUse
from pipelines.storage.home import Home
from pipelines.storage.snapshots import check_is_published
from pipelines.wording import counted

if TYPE_CHECKING:
    from pipelines.iceberg.publish import TableChange

_NAMESPACE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@app.command
def publish(
    *,
    iceberg: str,
    warehouse: str | None = None,
    namespace: str = "milestones",
    json: Annotated[bool, FLAG] = False,
) -> int:
    """Publish the newest Parquet snapshot to Iceberg tables: one Iceberg snapshot for every table that changed.

    Parameters
    ----------
    iceberg
        The catalogue: a name in pyiceberg's configuration, or the URL of an SQL catalogue, such as
        sqlite:///lake/catalog.db or postgresql+psycopg2://user@host/database.
    warehouse
        Where the files of the tables go, with a URL: a folder, or a URL such as s3://bucket/folder. By default the
        folder of an SQLite catalogue.
    namespace
        The namespace of the tables in the catalogue.
    json
        Print what was written as JSON.
    """
    if not _NAMESPACE.fullmatch(namespace):
        raise WrongUse(f"--namespace {namespace} is no name: use letters, digits and _")
    try:
        from pipelines.iceberg.catalogue import open_catalogue
        from pipelines.iceberg.publish import publish_to_iceberg
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("psycopg2", "pyiceberg"):
            raise
        raise ExtraMissing("milestones publish --iceberg", "iceberg") from error
    home = Home.from_environment()
    # Opening an SQLite catalogue creates its folder and file.
    check_is_published(home)
    with open_catalogue(iceberg, warehouse) as catalogue:
        snapshot, changes = publish_to_iceberg(home, catalogue, namespace)
    if json:
        _print_json(snapshot, changes)
    else:
        _print(snapshot, changes, namespace)
    return 0


def _print(snapshot: str, changes: list[TableChange], namespace: str) -> None:
    console = Console()
    for change in changes:
        if change.is_new_snapshot:
            line = f"{change.rows:>9,}  {change.table}: {counted(change.written, 'row')} written"
            console.print(f"{line}, {change.dropped:,} replaced", highlight=False, markup=False, soft_wrap=True)
    new = [change for change in changes if change.is_new_snapshot]
    console.print(
        f"{snapshot} is in the namespace {namespace}: {counted(len(new), 'table')} of {len(changes)} changed",
        highlight=False,
        soft_wrap=True,
    )


def _print_json(snapshot: str, changes: list[TableChange]) -> None:
    from dataclasses import asdict

    from pipelines.reading.formats import as_json

    tables = [asdict(change) | {"is_new_snapshot": change.is_new_snapshot} for change in changes]
    sys.stdout.write(as_json({"snapshot": snapshot, "tables": tables}) + "\n")
