"""`milestones export`: streams the result of a query into a file, which is written atomically, or to stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import duckdb

from pipelines.errors import MilestonesError, WrongUse
from pipelines.escaping import write
from pipelines.reading.formats import Style, csv_lines, json_lines
from pipelines.reading.query_errors import NOT_A_QUERY, QueryFailed, explain_errors
from pipelines.reading.results import BoundStatement, TextResult, unique_names
from pipelines.reading.statements import statements
from pipelines.reading.workbook import write_workbook
from pipelines.storage.durable import write_durably
from pipelines.storage.home import Home
from schemas.sql import quote

Format = Literal["csv", "jsonl", "parquet", "xlsx", "ics"]
FORMATS_BY_SUFFIX: dict[str, Format] = {
    "": "csv",
    ".csv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".ics": "ics",
}
FILES_ONLY = {"parquet": "Parquet", "xlsx": "Excel"}
"""Formats that are no text, with their names."""

DEFAULT_TABLE = "milestones"
BYTE_ORDER_MARK = "\ufeff"
"""Excel reads a CSV file without one in the encoding of Windows' language."""
ROWS_PER_GROUP = 100_000

_LINES: dict[str, Callable[[TextResult, Style], Iterator[str]]] = {
    "csv": csv_lines,
    "jsonl": json_lines,
}


class CannotWrite(MilestonesError):
    """The output file cannot be written."""


def export_format(output: Path | None) -> Format:
    """The format for the suffix of a file name; CSV without one.

    Raises WrongUse for an unknown suffix: a program that opens a .json or a .gz expects something else than CSV.
    """
    suffix = output.suffix.lower() if output else ""
    if suffix not in FORMATS_BY_SUFFIX:
        known = ", ".join(filter(None, FORMATS_BY_SUFFIX))
        raise WrongUse(f"no format has the suffix {suffix}: choose one with --format, or end the name with {known}")
    return FORMATS_BY_SUFFIX[suffix]


def export_query(query: str | None, table: str | None) -> str:
    """The statement to export. Raises WrongUse, and QueryFailed for a text without a statement."""
    if query is None and table == "":
        raise WrongUse("--table is empty: name a table or view")
    if query is None:
        return f"FROM {quote(table or DEFAULT_TABLE)}"
    if table is not None:
        raise WrongUse("--query and --table exclude each other: leave one of them out")
    found = list(statements(query))
    if not found:
        raise QueryFailed(NOT_A_QUERY)
    if len(found) > 1:
        raise WrongUse(f"--query has {len(found)} statements, but an export has one result: give one statement")
    return found[0]


def check_output(home: Home, output: Path) -> None:
    """Raise WrongUse for a file in the pipeline's own folders, which the export would replace."""
    for folder in (home.raw, home.warehouse, home.published, home.dagster):
        if output.resolve().is_relative_to(folder.resolve()):
            raise WrongUse(f"{output} is in a folder of the pipeline: give another file with --output")


def export_file(connection: duckdb.DuckDBPyConnection, query: str, style: Style, output: Path) -> int:
    """Write the result to a file; the number of rows. Raises QueryFailed and CannotWrite, and keeps an existing file.

    Through a symbolic link, its target is written.
    """
    rows = 0

    def write(path: Path) -> None:
        nonlocal rows
        if style.format == "parquet":
            rows = _write_parquet(connection, query, path)
            return
        if style.format == "xlsx":
            rows = write_workbook(BoundStatement(connection, query), path)
            return
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = export_text(connection, query, style, file)

    write_output(output, write)
    return rows


def write_output(output: Path, write: Callable[[Path], object]) -> None:
    """Write a file atomically, with a function that writes to the path it gets. Raises CannotWrite."""
    output = output.resolve()
    if output.is_dir() or not output.parent.is_dir():
        raise CannotWrite(f"cannot write {output}: give a file in a folder that exists with --output")
    if output.exists() and not output.is_file():
        # The rename would replace a pipe or a device with a file.
        raise CannotWrite(
            f"cannot write {output}, which is not a regular file: leave --output out and redirect standard output"
        )
    try:
        write_durably(output, write)
    except OSError as error:
        raise CannotWrite(f"cannot write {output} ({error.strerror}): give another file with --output") from error


def export_text(connection: duckdb.DuckDBPyConnection, query: str, style: Style, file: IO[str]) -> int:
    """Write the result as text; the number of rows. Raises QueryFailed."""
    statement = BoundStatement(connection, query)
    if not statement.has_result:
        raise QueryFailed(NOT_A_QUERY)
    result, rows = statement.result(is_nested=style.format == "jsonl"), 0

    def counting() -> Iterator[Sequence[Any]]:
        nonlocal rows
        for row in result.rows:
            rows += 1
            yield row

    if style.bom:
        file.write(BYTE_ORDER_MARK)
    for line in _LINES[style.format](TextResult(result.columns, counting()), style):
        write(file, line)
    return rows


def _write_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    # Imported here: it takes longer than most exports, and the other formats do not need it.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    rows = 0
    try:
        with explain_errors(connection):
            relation = _for_parquet(connection.sql(query))
            if relation is None:
                raise QueryFailed(NOT_A_QUERY)
            reader = relation.to_arrow_reader(ROWS_PER_GROUP)
            with pq.ParquetWriter(path, reader.schema, compression="zstd", write_page_checksum=True) as writer:
                for batch in _batches(reader):
                    rows += batch.num_rows
                    writer.write_batch(batch)
    except pa.ArrowException as error:
        raise QueryFailed(f"Parquet cannot store this result ({error}): cast the column in the query") from error
    return rows


def _batches(reader: Any) -> Iterator[Any]:
    """The batches. An error of the query during the stream arrives as an OSError of Arrow, and raises QueryFailed."""
    try:
        yield from reader
    except OSError as error:
        raise QueryFailed(" ".join(str(error).split())) from error


def _for_parquet(relation: duckdb.DuckDBPyRelation | None) -> duckdb.DuckDBPyRelation | None:
    """Make names unique, and intervals text: few programs read Parquet's interval type."""
    if relation is None:
        return None
    names = unique_names(relation.columns)
    columns = (
        f"CAST({quote(name)} AS VARCHAR) AS {quote(name)}" if str(kind) == "INTERVAL" else quote(name)
        for name, kind in zip(names, relation.types, strict=True)
    )
    renamed = f"result ({', '.join(map(quote, names))})"
    return relation.query("result", f"SELECT {', '.join(columns)} FROM result AS {renamed}")  # noqa: S608
