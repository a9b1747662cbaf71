"""What the commands print. Text from the API is escaped here and in `reading.formats`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.cli.text_table import ROWS_AT_A_TERMINAL, print_table
from pipelines.escaping import one_line, write
from pipelines.reading.formats import Style, as_json, cell_text, csv_lines, json_rows, markdown_lines
from pipelines.reading.results import NUMBER, BoundStatement, Column, TextResult
from pipelines.reading.status import Status
from pipelines.storage.home import Home
from pipelines.wording import counted


def shown(value: Any) -> str:
    """One cell of a status: NULL is empty, times are to the second. No control character reaches the terminal."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ") if value.tzinfo else str(value)
    return one_line(str(value))


def print_statement(
    console: Console, statement: BoundStatement, style: Style, *, rows: int = ROWS_AT_A_TERMINAL
) -> None:
    """The answer of a question; nothing for a statement that asks nothing. Raises QueryFailed.

    A table that is fitted to the terminal has at most so many `rows`.
    """
    if not statement.has_result:
        return
    if _is_fitted(console, style):
        print_result(console, statement.first(rows), style)
    else:
        print_result(console, statement.result(is_nested=style.format == "json"), style)


def print_result(console: Console, answer: TextResult, style: Style) -> None:
    """An answer in one of FORMATS; for JSON its values may be nested."""
    if style.format == "table":
        rows = [
            [cell_text(column.kind, value) for column, value in zip(answer.columns, row, strict=True)]
            for row in answer.rows
        ]
        numeric = [column.kind == NUMBER for column in answer.columns]
        fit = _is_fitted(console, style)
        print_table(
            console, [one_line(one.name) for one in answer.columns], rows, numeric=numeric, fit=fit, more=answer.more
        )
        return
    lines: dict[str, Callable[[TextResult, Style], Iterator[str]]] = {
        "csv": csv_lines,
        "json": json_rows,
        "markdown": markdown_lines,
    }
    for line in lines[style.format](answer, style):
        write(console.file, line)


def _is_fitted(console: Console, style: Style) -> bool:
    """Whether a window is there to fit into. Colours can be forced into a pipe, which has no width."""
    return style.format == "table" and console.file.isatty() and not style.all_rows


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
        f"{counted(row['records'], 'record')} on {counted(row['pages'], 'page')}, "
        f"{counted(row['requests'], 'request')} "
        f"({counted(row['retries'], 'retry', 'retries')}, {row['rate_limited']} rate limited)",
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


def print_status(console: Console, status: Status, now: datetime, style: Style) -> None:
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
    console.print("last sweeps", style="bold")
    rows = [[shown(sweep[column.name]) for column in _SWEEP_COLUMNS] for sweep in status.sweeps]
    print_result(console, TextResult(_SWEEP_COLUMNS, rows), style)


_SWEEP_COLUMNS = (
    Column("sweep_id"),
    Column("mode"),
    *(Column(name, NUMBER) for name in ("records", "new", "changed", "unchanged", "quarantined")),
    Column("status"),
    Column("finished_at"),
)
"""What is at the right is left out where the window is narrow: the id of a sweep begins with its time."""


def _lateness(found: dict[str, Any]) -> str:
    return (
        f"99 % within {found['seconds_p99']:,.0f} s of their update, the last after {found['seconds_max']:,.0f} s "
        f"({counted(found['rows'], 'row')} of polls); {found['overlap_used_seconds']:,.0f} s of the overlap were used"
    )


def status_json(status: Status) -> str:
    """The status as JSON text."""
    return as_json(asdict(status))


def _ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{shown(moment)} ({counted(round(seconds / size), unit)} ago)"
    return f"{shown(moment)} ({counted(round(seconds), 'second')} ago)"
