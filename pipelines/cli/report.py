"""Output of the commands: results, the status and the summary of a run. Text from the API is escaped here."""

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
from pipelines.wording import counted, duration


def display_text(value: Any) -> str:
    """One cell of the status: NULL is empty, times are to the second, non-printable characters are escaped."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ") if value.tzinfo else str(value)
    return one_line(str(value))


def print_statement(
    console: Console, statement: BoundStatement, style: Style, *, rows: int = ROWS_AT_A_TERMINAL
) -> None:
    """Print the result of a statement, if it has one. Raises QueryFailed.

    A table that is fitted to the terminal has at most `rows` rows.
    """
    if not statement.has_result:
        return
    if _is_fitted(console, style):
        print_result(console, statement.first(rows), style)
    else:
        print_result(console, statement.result(is_nested=style.format == "json"), style)


def print_result(console: Console, result: TextResult, style: Style) -> None:
    """Print a result in the format of `style`; for JSON its values may be nested."""
    if style.format == "table":
        rows = [
            [cell_text(column.kind, value) for column, value in zip(result.columns, row, strict=True)]
            for row in result.rows
        ]
        numeric = [column.kind == NUMBER for column in result.columns]
        fit = _is_fitted(console, style)
        print_table(
            console,
            [one_line(column.name) for column in result.columns],
            rows,
            numeric=numeric,
            fit=fit,
            more=result.more,
        )
        return
    lines: dict[str, Callable[[TextResult, Style], Iterator[str]]] = {
        "csv": csv_lines,
        "json": json_rows,
        "markdown": markdown_lines,
    }
    for line in lines[style.format](result, style):
        write(console.file, line)


def _is_fitted(console: Console, style: Style) -> bool:
    """Whether to fit a table to the terminal. Asks the file: `console` may be forced to treat a pipe as a terminal."""
    return style.format == "table" and console.file.isatty() and not style.all_rows


def print_sweep(
    console: Console, row: dict[str, Any], rows: dict[str, int], home: Home, not_found: list[str], *, archived: int = 0
) -> None:
    """Print the summary of a run: records read, stored and refused, and the published files."""
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
    if not row["is_complete"]:
        table.add_row("stopped", f"after {counted(row['pages'], 'page')}: not complete, the watermark did not move")
    if archived:
        table.add_row("archived", f"{archived:,} no longer listed (table archived_milestones)")
    if not_found:
        table.add_row("not found", Text(display_text(", ".join(not_found))))
    table.add_row("tables", "\n".join(f"{count:>9,}  {name}" for name, count in rows.items()))
    table.add_row("DuckDB", Text(str(home.published_duckdb)))
    table.add_row("Parquet", Text(str(home.latest_snapshot)))
    console.print(table)


def print_status(console: Console, status: Status, now: datetime, style: Style) -> None:
    """Print freshness, rows, sizes, the last sweeps and refused records."""
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("published", Text(f"{status.published_file} ({status.bytes / 1e6:,.1f} MB)"))
    table.add_row("last full sweep", _ago(status.last_full_at, now))
    table.add_row("last sweep", _ago(status.last_sweep_at, now))
    table.add_row("read up to", _ago(status.watermark, now))
    table.add_row("newest update", _ago(status.newest_update, now))
    if status.lateness["rows"]:
        table.add_row("rows arrive", _lateness(status.lateness))
    table.add_row("tables", "\n".join(f"{count:>9,}  {name}" for name, count in status.rows.items()))
    sizes = ", ".join(f"{name.replace('_', ' ')} {size / 1e6:,.1f}" for name, size in status.sizes.items())
    table.add_row("MB on disk", sizes)
    for refusal in status.quarantined_by_reason:
        table.add_row(
            "refused",
            Text(f"{refusal['records']:,} x {display_text(refusal['reason'])} ({display_text(refusal['field'])})"),
        )
    if status.missing:
        missing = ", ".join(f"{count:,} x {name}" for name, count in status.missing.items())
        table.add_row("missing values", missing)
    for field in status.drift:
        line = f"{field['type']}: {field['path']} ({field['kinds']}) since {display_text(field['first_seen_at'])}"
        table.add_row("new in details", Text(display_text(line)))
    for endpoint in status.endpoints:
        table.add_row(endpoint["endpoint"], Text(_endpoint(endpoint, now)))
    if status.unpublished:
        sweep = status.unpublished
        table.add_row("not published", Text(f"{sweep['sweep_id']} {sweep['state']}: {display_text(sweep['error'])}"))
    console.print(table)
    console.print("last sweeps", style="bold")
    rows = [[display_text(sweep[column.name]) for column in _SWEEP_COLUMNS] for sweep in status.sweeps]
    print_result(console, TextResult(_SWEEP_COLUMNS, rows), style)


_SWEEP_COLUMNS = (
    Column("sweep_id"),
    Column("mode"),
    *(Column(name, NUMBER) for name in ("records", "new", "changed", "unchanged", "quarantined")),
    Column("status"),
    Column("finished_at"),
)
"""In a narrow window the columns at the right are left out; sweep_id contains the start time."""


def _lateness(lateness: dict[str, Any]) -> str:
    return (
        f"99 % within {lateness['seconds_p99']:,.0f} s of their update, the latest after "
        f"{lateness['seconds_max']:,.0f} s ({counted(lateness['rows'], 'row')} of incremental sweeps); "
        f"{lateness['overlap_used_seconds']:,.0f} s of the overlap were needed"
    )


def _endpoint(row: dict[str, Any], now: datetime) -> str:
    line = f"loaded {_ago(row['last_loaded_at'], now)}"
    for count, what in (
        (row["unknown_keys"], "keys unknown to the API"),
        (row["remaining_keys"], "keys left for the next sweep"),
        (row["quarantined"], "records refused (table endpoint_quarantine)"),
    ):
        if count:
            line += f"; {count:,} {what}"
    return f"{line}; last error: {display_text(row['last_error'])}" if row["last_error"] else line


def status_json(status: Status) -> str:
    """The status as JSON text."""
    return as_json(asdict(status))


def _ago(moment: datetime | None, now: datetime) -> str:
    return "never" if moment is None else f"{display_text(moment)} ({duration(now - moment)} ago)"
