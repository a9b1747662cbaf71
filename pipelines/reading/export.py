"""`milestones export`: the answer of a query as a file, streamed, there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import duckdb

from pipelines.errors import MilestonesError, WrongUse
from pipelines.escaping import write
from pipelines.reading.answers import Question, TextAnswer, distinct
from pipelines.reading.formats import Style, csv_lines, json_lines
from pipelines.reading.query_errors import NOT_A_QUERY, QueryFailed, faults_explained
from pipelines.reading.statements import statements
from pipelines.storage.durable import write_durably
from pipelines.storage.home import Home
from schemas.sql import quote

Format = Literal["csv", "jsonl", "parquet"]
FORMATS_BY_SUFFIX: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
DEFAULT_TABLE = "milestones"
ROWS_PER_GROUP = 100_000

_LINES: dict[str, Callable[[TextAnswer, Style], Iterator[str]]] = {
    "csv": csv_lines,
    "jsonl": json_lines,
}


class CannotWrite(MilestonesError):
    """The file that was asked for cannot be written."""


def format_of(output: Path | None) -> Format:
    """The format that a file's name says; CSV where it says none."""
    return FORMATS_BY_SUFFIX.get(output.suffix.lower(), "csv") if output else "csv"


def query_of(query: str | None, table: str | None) -> str:
    """What to export: one statement. Raises WrongUse, and QueryFailed where there is none."""
    if query is None:
        return f"FROM {quote(table or DEFAULT_TABLE)}"
    if table is not None:
        raise WrongUse("--query and --table say two things: leave one of them out")
    asked = list(statements(query))
    if not asked:
        raise QueryFailed(NOT_A_QUERY)
    if len(asked) > 1:
        raise WrongUse(f"--query has {len(asked)} statements, and one answer goes into a file: give one of them")
    return asked[0]


def check_output(home: Home, output: Path) -> None:
    """Raises WrongUse for a file that belongs to the pipeline, which it would replace."""
    for folder in (home.raw, home.warehouse, home.published, home.dagster):
        if output.resolve().is_relative_to(folder.resolve()):
            raise WrongUse(f"{output} is among the pipeline's own files: give another file with --output")


def export_file(connection: duckdb.DuckDBPyConnection, query: str, style: Style, output: Path) -> int:
    """Write the answer to a file; its rows. Raises QueryFailed and CannotWrite: what stood there before still does.

    A symbolic link stays one: the file that it leads to is written.
    """
    output = output.resolve()
    if output.is_dir() or not output.parent.is_dir():
        raise CannotWrite(f"cannot write {output}: give a file in a folder that exists with --output")
    if output.exists() and not output.is_file():
        # It would be replaced by a file.
        raise CannotWrite(f"cannot write {output}, which is no file: leave --output out and redirect standard output")
    rows = 0

    def write(path: Path) -> None:
        nonlocal rows
        if style.format == "parquet":
            rows = _write_parquet(connection, query, path)
            return
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = export_text(connection, query, style, file)

    try:
        write_durably(output, write)
    except OSError as error:
        raise CannotWrite(f"cannot write {output} ({error.strerror}): give another file with --output") from error
    return rows


def export_text(connection: duckdb.DuckDBPyConnection, query: str, style: Style, file: IO[str]) -> int:
    """Write the answer as lines; its rows. Raises QueryFailed."""
    question = Question(connection, query)
    if not question.has_answer:
        raise QueryFailed(NOT_A_QUERY)
    answer, rows = question.answer(is_nested=style.format == "jsonl"), 0

    def counting() -> Iterator[Sequence[Any]]:
        nonlocal rows
        for row in answer.rows:
            rows += 1
            yield row

    for line in _LINES[style.format](TextAnswer(answer.columns, counting()), style):
        write(file, line)
    return rows


def _write_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    # Takes longer to load than most exports take, and the other formats do without.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    rows = 0
    try:
        with faults_explained(connection):
            relation = _as_parquet_knows(connection.sql(query))
            if relation is None:
                raise QueryFailed(NOT_A_QUERY)
            reader = relation.to_arrow_reader(ROWS_PER_GROUP)
            with pq.ParquetWriter(path, reader.schema, compression="zstd", write_page_checksum=True) as writer:
                for batch in _batches(reader):
                    rows += batch.num_rows
                    writer.write_batch(batch)
    except pa.ArrowException as error:
        raise QueryFailed(f"this cannot be written as Parquet ({error}): cast the column in the query") from error
    return rows


def _batches(reader: Any) -> Iterator[Any]:
    """A fault of the query in mid-stream reaches Arrow as one of reading."""
    try:
        yield from reader
    except OSError as error:
        raise QueryFailed(" ".join(str(error).split())) from error


def _as_parquet_knows(relation: duckdb.DuckDBPyRelation | None) -> duckdb.DuckDBPyRelation | None:
    """Names that differ, and intervals as text: hardly anything reads the type that Parquet has for them."""
    if relation is None:
        return None
    names = distinct(relation.columns)
    columns = (
        f"CAST({quote(name)} AS VARCHAR) AS {quote(name)}" if str(kind) == "INTERVAL" else quote(name)
        for name, kind in zip(names, relation.types, strict=True)
    )
    renamed = f"answer ({', '.join(map(quote, names))})"
    return relation.query("answer", f"SELECT {', '.join(columns)} FROM answer AS {renamed}")  # noqa: S608
