"""Text formats of a result: CSV, JSON, JSON lines, Markdown. Text from the API is escaped here.

Tables for a terminal are in `cli.text_table`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pipelines.errors import WrongUse
from pipelines.escaping import escape_csv, escape_json, escape_markdown, one_line
from pipelines.reading.json_text import dumps, parsed, single_line_json
from pipelines.reading.results import Kind, TextResult, json_value, to_display_time, to_rfc3339

Format = Literal["table", "csv", "json", "markdown"]
FORMATS: tuple[Format, ...] = ("table", "csv", "json", "markdown")
LINE_END = "\n"


@dataclass(frozen=True)
class Style:
    """How to print a result. Raises WrongUse for an option that does not apply to the format.

    `all_rows` does not fit a table to the terminal; `raw` does not escape formulas in CSV; `json_as_text` does not nest
    JSON columns in JSON. `is_one_of_several` writes a JSON result on one line, so that several results are JSON lines.
    `json_columns` are text columns of the result to nest in JSON too. `no_pager` never starts a pager. `bom` begins CSV
    with a byte order mark.
    """

    format: Format | Literal["jsonl", "parquet", "xlsx", "ics"] = "table"
    all_rows: bool = False
    raw: bool = False
    json_as_text: bool = False
    json_columns: tuple[str, ...] = ()
    is_one_of_several: bool = False
    no_pager: bool = False
    bom: bool = False

    def __post_init__(self) -> None:
        if self.raw and self.format != "csv":
            raise WrongUse(f"--raw applies to CSV only: leave it out for the format {self.format}")
        if self.bom and self.format != "csv":
            raise WrongUse(f"--bom applies to CSV only: leave it out for the format {self.format}")
        if self.json_as_text and self.format not in ("json", "jsonl"):
            raise WrongUse(f"--json-as-text applies to JSON only: leave it out for the format {self.format}")
        if self.json_columns and self.format != "json":
            raise WrongUse(f"--json-columns applies to JSON only: leave it out for the format {self.format}")
        if self.json_columns and self.json_as_text:
            raise WrongUse("--json-columns and --json-as-text exclude each other: leave one of them out")
        if self.all_rows and self.format != "table":
            raise WrongUse(f"--all applies to tables only: leave it out, as the format {self.format} has every row")


def as_json(value: Any) -> str:
    """Indented JSON: times as RFC 3339, NaN and infinity as null, other unknown types as text."""
    return escape_json(dumps(value, indent=True))


def cell_text(kind: Kind, value: str | None) -> str:
    """One cell for display: NULL is empty, times are to the second, non-printable characters are escaped."""
    if value is None:
        return ""
    return one_line(to_display_time(value) if kind.name == "time" else value)


def csv_lines(result: TextResult, style: Style) -> Iterator[str]:
    """CSV with a header. Unless `style.raw`, text that a spreadsheet would run as a formula is escaped."""

    def guarded(text: str) -> str:
        return text if style.raw else escape_csv(text)

    def cell(kind: Kind, value: str | None) -> str | None:
        if value is None or kind.name in ("number", "boolean", "other"):
            return value
        return to_rfc3339(value) if kind.name == "time" else guarded(value)

    kinds = [column.kind for column in result.columns]
    yield _csv_line([guarded(column.name) for column in result.columns])
    for row in result.rows:
        yield _csv_line([cell(kind, value) for kind, value in zip(kinds, row, strict=True)])


def _csv_line(row: Iterable[str | None]) -> str:
    """One line with a Unix line end. csv.writer quotes a carriage return only if its line terminator has one."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)
    return text.getvalue().removesuffix("\r\n") + "\n"


def json_lines(result: TextResult, style: Style) -> Iterator[str]:
    """One JSON object per row of a nested result. JSON columns are nested unless `style.json_as_text`."""
    kinds = [column.kind for column in result.columns]
    # Encode the names once, not per row: in sparse rows they are most of the text.
    starts = [f"{dumps(name)}: " for name in result.names]
    json = str if style.json_as_text else single_line_json
    for row in result.rows:
        members = (
            f"{start}{dumps(json_value(kind, value, json=json))}"
            for start, kind, value in zip(starts, kinds, row, strict=True)
        )
        yield f"{escape_json('{' + ', '.join(members) + '}')}\n"


def json_rows(result: TextResult, style: Style) -> Iterator[str]:
    """An array with one object per row, written row by row: indented, or on one line if `style.is_one_of_several`."""
    if style.is_one_of_several:
        yield "["
        for index, line in enumerate(json_lines(result, style)):
            yield f"{', ' if index else ''}{line.removesuffix(LINE_END)}"
        yield f"]{LINE_END}"
        return
    names, kinds = result.names, [column.kind for column in result.columns]
    json = str if style.json_as_text else parsed
    start = "[\n"
    for row in result.rows:
        values = (json_value(kind, value, json=json) for kind, value in zip(kinds, row, strict=True))
        yield f"{start}  {escape_json(dumps(dict(zip(names, values, strict=True)), indent=True, level=1))}"
        start = ",\n"
    yield "[]\n" if start == "[\n" else "\n]\n"


def markdown_lines(result: TextResult, _: Style) -> Iterator[str]:
    """A Markdown table."""
    yield _markdown_line(escape_markdown(column.name) for column in result.columns)
    yield _markdown_line("---" for _ in result.columns)
    for row in result.rows:
        yield _markdown_line(
            escape_markdown(cell_text(column.kind, value)) for column, value in zip(result.columns, row, strict=True)
        )


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
