"""Text formats of an answer: CSV, JSON, JSON lines, Markdown. Text from the API is escaped here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pipelines.errors import WrongUse
from pipelines.escaping import escape_csv, escape_json, escape_markdown, one_line
from pipelines.reading.answers import Kind, TextAnswer, for_people, in_rfc3339, json_value
from pipelines.reading.json_text import dumps, on_one_line, parsed

Format = Literal["table", "csv", "json", "markdown"]
FORMATS: tuple[Format, ...] = ("table", "csv", "json", "markdown")


@dataclass(frozen=True)
class Style:
    """How to print an answer.

    `all_rows` fits no table to the terminal; `raw` leaves text in CSV as it is, formulas too; `json_as_text` leaves
    JSON columns text in JSON. Raises WrongUse for an option that the format does not know.
    """

    format: Format | Literal["jsonl", "parquet"] = "table"
    all_rows: bool = False
    raw: bool = False
    json_as_text: bool = False

    def __post_init__(self) -> None:
        if self.raw and self.format != "csv":
            raise WrongUse(f"--raw is about CSV: leave it out with the format {self.format}")
        if self.json_as_text and self.format not in ("json", "jsonl"):
            raise WrongUse(f"--json-as-text is about JSON: leave it out with the format {self.format}")
        if self.all_rows and self.format != "table":
            raise WrongUse(f"--all is about tables: the format {self.format} has every row without it")


def as_json(value: Any) -> str:
    """JSON text, indented; times as RFC 3339, numbers that JSON does not have as null, what else is unknown as text."""
    return escape_json(dumps(value, indent=True))


def cell_text(kind: Kind, value: str | None) -> str:
    """One cell as people read it: NULL is empty, times are to the second, nothing acts on a terminal."""
    if value is None:
        return ""
    return one_line(for_people(value) if kind.name == "time" else value)


def csv_lines(answer: TextAnswer, style: Style) -> Iterator[str]:
    """CSV, the names first; unless it is raw, nothing in it is a formula to a spreadsheet."""

    def guarded(text: str) -> str:
        return text if style.raw else escape_csv(text)

    def cell(kind: Kind, value: str | None) -> str | None:
        if value is None or kind.name in ("number", "boolean", "other"):
            return value
        return in_rfc3339(value) if kind.name == "time" else guarded(value)

    kinds = [column.kind for column in answer.columns]
    yield _csv_line([guarded(column.name) for column in answer.columns])
    for row in answer.rows:
        yield _csv_line([cell(kind, value) for kind, value in zip(kinds, row, strict=True)])


def _csv_line(row: Iterable[str | None]) -> str:
    """One line, ended as Unix does. The writer quotes a carriage return only where lines end with one."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)
    return text.getvalue().removesuffix("\r\n") + "\n"


def json_lines(answer: TextAnswer, style: Style) -> Iterator[str]:
    """One JSON object a row, of an answer whose values are nested; JSON columns are nested too, unless left as text."""
    kinds = [column.kind for column in answer.columns]
    # The names are spelled once: there can be more of them than of values that are not null.
    starts = [f"{dumps(name)}: " for name in answer.names]
    json = str if style.json_as_text else on_one_line
    for row in answer.rows:
        members = (
            f"{start}{dumps(json_value(kind, value, json=json))}"
            for start, kind, value in zip(starts, kinds, row, strict=True)
        )
        yield f"{escape_json('{' + ', '.join(members) + '}')}\n"


def json_rows(answer: TextAnswer, style: Style) -> Iterator[str]:
    """An array of objects, indented, an object at a time."""
    names, kinds = answer.names, [column.kind for column in answer.columns]
    json = str if style.json_as_text else parsed
    start = "[\n"
    for row in answer.rows:
        values = (json_value(kind, value, json=json) for kind, value in zip(kinds, row, strict=True))
        yield f"{start}  {escape_json(dumps(dict(zip(names, values, strict=True)), indent=True, level=1))}"
        start = ",\n"
    yield "[]\n" if start == "[\n" else "\n]\n"


def markdown_lines(answer: TextAnswer, _: Style) -> Iterator[str]:
    """A Markdown table."""
    yield _markdown_line(escape_markdown(column.name) for column in answer.columns)
    yield _markdown_line("---" for _ in answer.columns)
    for row in answer.rows:
        yield _markdown_line(
            escape_markdown(cell_text(column.kind, value)) for column, value in zip(answer.columns, row, strict=True)
        )


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
