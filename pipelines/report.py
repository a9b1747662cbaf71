"""What the commands print: tables for people, JSON for programs. Text from the API is escaped at this edge."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.escaping import in_csv, in_json, in_markdown, one_line, write
from pipelines.home import Home
from pipelines.published import Answer, Status, distinct

_ANY_WIDTH = 1_000_000
_NESTED = (list, tuple, dict)
"""What DuckDB hands lists, arrays, structs and maps over as."""

FORMATS = ("table", "csv", "json", "markdown")


def as_json(value: Any, *, indent: int | None = 2) -> str:
    """JSON text; times as RFC 3339, numbers that JSON does not have as null, what else it does not know as text."""
    return in_json(json.dumps(_for_json(value), indent=indent, ensure_ascii=False, default=_json_default))


def _for_json(value: Any) -> Any:
    """The same as far as JSON has it: a MAP's keys can be anything in DuckDB."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key if isinstance(key, str) else as_json(key).strip('"'): _for_json(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_for_json(one) for one in value]
    return value


def _json_default(value: Any) -> Any:
    if isinstance(value, timedelta):
        return _interval(value)
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def _interval(value: timedelta) -> str:
    """The sign before the whole: Python calls an hour less than nothing "-1 day, 23:00:00"."""
    return f"-{-value}" if value < timedelta() else str(value)


def shown(value: Any) -> str:
    """One cell for people: NULL is empty, times to the second, lists and structs are JSON.

    No control character reaches the terminal.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return _interval(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ") if value.tzinfo else str(value)
    return one_line(as_json(value, indent=None) if isinstance(value, _NESTED) else str(value))


def print_answer(console: Console, answer: Answer, style: str) -> None:
    """A query's answer in one of FORMATS."""
    writers: dict[str, Callable[[Answer], str]] = {"csv": _csv, "json": _json, "markdown": as_markdown}
    if style in writers:
        write(console.file, writers[style](answer))
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    # Values are never cut or folded: lines wider than the terminal wrap there, like any other long line.
    for index, name in enumerate(answer.columns):
        numeric = all(isinstance(row[index], (int, float)) for row in answer.rows) and bool(answer.rows)
        table.add_column(Text(one_line(name)), justify="right" if numeric else "left", no_wrap=True)
    for row in answer.rows:
        table.add_row(*(Text(shown(value)) for value in row))
    console.width = max(console.width, console.measure(table, options=console.options.update(width=_ANY_WIDTH)).maximum)
    console.print(table)
    console.print(f"{len(answer.rows)} row{'' if len(answer.rows) == 1 else 's'}", style="dim", highlight=False)


def _csv(answer: Answer) -> str:
    return "".join(csv_lines(answer.columns, answer.rows))


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """CSV, the names first; lists and structs are JSON, nothing in it is a formula to a spreadsheet."""
    yield _csv_line([in_csv(name) for name in columns])
    for row in rows:
        yield _csv_line([_csv_cell(value) for value in row])


def json_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """One JSON object a row; what JSON has no number for is null."""
    names = distinct(columns)
    for row in rows:
        yield as_json(dict(zip(names, row, strict=True)), indent=None) + "\n"


def _csv_line(row: Sequence[Any]) -> str:
    """One line, ended as Unix does. The writer quotes a carriage return only where lines end with one."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _csv_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return shown(value)
    if isinstance(value, (datetime, timedelta)):
        return _json_default(value)
    if isinstance(value, _NESTED):
        return as_json(value, indent=None)
    return in_csv(value) if isinstance(value, str) else value


def _json(answer: Answer) -> str:
    return as_json(answer.records) + "\n"


def as_markdown(answer: Answer) -> str:
    """A Markdown table."""
    rows = [[in_markdown(shown(value)) for value in row] for row in answer.rows]
    lines = [[in_markdown(name) for name in answer.columns], ["---"] * len(answer.columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def print_sweep(
    console: Console, row: dict[str, Any], rows: dict[str, int], home: Home, not_found: list[str], *, archived: int = 0
) -> None:
    """The closing table of a run: what was read, stored, refused, and where it lies."""
    seconds = (row["finished_at"] - row["started_at"]).total_seconds()
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("sweep", f"{row['sweep_id']} ({row['mode']}, {seconds:.1f} s until loaded)")
    table.add_row(
        "read",
        f"{row['records']:,} records on {row['pages']:,} pages, {row['requests']:,} requests "
        f"({row['retries']} retries, {row['rate_limited']} rate limited)",
    )
    table.add_row(
        "stored",
        f"{row['new']:,} new, {row['changed']:,} changed; "
        f"{row['unchanged']:,} unchanged, {row['superseded']:,} superseded",
    )
    table.add_row("refused", f"{row['quarantined']:,} (table quarantine)" if row["quarantined"] else "0")
    if archived:
        table.add_row("archived", f"{archived:,} no longer listed (table archived_milestones)")
    if not_found:
        table.add_row("not found", Text(shown(", ".join(not_found))))
    table.add_row("tables", "\n".join(f"{count:>9,}  {name}" for name, count in rows.items()))
    table.add_row("DuckDB", Text(str(home.published_duckdb)))
    table.add_row("Parquet", Text(str(home.latest_snapshot)))
    console.print(table)


def print_status(console: Console, status: Status, now: datetime) -> None:
    """Freshness, rows, the last sweeps and refusals."""
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("published", Text(f"{status.published_file} ({status.bytes / 1e6:,.1f} MB)"))
    table.add_row("last full sweep", _ago(status.last_full_at, now))
    table.add_row("read up to", _ago(status.watermark, now))
    table.add_row("newest update", _ago(status.newest_update, now))
    if status.lateness["rows"]:
        table.add_row("rows arrive", _lateness(status.lateness))
    table.add_row("tables", "\n".join(f"{count:>9,}  {name}" for name, count in status.rows.items()))
    lies = ", ".join(f"{name.replace('_', ' ')} {size / 1e6:,.1f}" for name, size in status.sizes.items())
    table.add_row("MB on disk", lies)
    for refusal in status.quarantined_by_reason:
        table.add_row(
            "refused", Text(f"{refusal['records']:,} x {shown(refusal['reason'])} ({shown(refusal['field'])})")
        )
    if status.missing:
        missing = ", ".join(f"{count:,} x {name}" for name, count in status.missing.items())
        table.add_row("missing values", missing)
    for field in status.drift:
        line = f"{field['type']}: {field['path']} ({field['kinds']}) since {shown(field['first_seen_at'])}"
        table.add_row("new in details", Text(shown(line)))
    if status.unpublished:
        sweep = status.unpublished
        table.add_row("not published", Text(f"{sweep['sweep_id']} {sweep['state']}: {shown(sweep['error'])}"))
    console.print(table)
    columns = ["sweep_id", "mode", "status", "finished_at", "records", "new", "changed", "unchanged", "quarantined"]
    console.print("last sweeps", style="bold")
    print_answer(console, Answer(columns, [tuple(row[name] for name in columns) for row in status.sweeps]), "table")


def _lateness(found: dict[str, Any]) -> str:
    return (
        f"99 % within {found['seconds_p99']:,.0f} s of their update, the last after {found['seconds_max']:,.0f} s "
        f"({found['rows']:,} rows of polls); {found['overlap_used_seconds']:,.0f} s of the overlap were used"
    )


def status_json(status: Status) -> str:
    """The status as JSON text."""
    return as_json(asdict(status))


def _ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{shown(moment)} ({seconds / size:.0f} {unit} ago)"
    return f"{shown(moment)} ({seconds:.0f} seconds ago)"
