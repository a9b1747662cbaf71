"""Plain text tables: complete in a file or a pipe, fitted to the window at a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from pipelines.wording import counted

GAP, WIDE_GAP = 2, 3
"""Spaces between two columns: in a fitted table, and in a complete one."""

MIN_CELL = 20
"""Minimum width of a truncated column: enough for a time."""

ROWS_AT_A_TERMINAL = 40


def print_table(
    console: Console,
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numeric: Sequence[bool],
    fit: bool = False,
    more: int = 0,
) -> None:
    """Print rows of printable text, one line each, and their number. `more` rows were not fetched.

    With `fit` the table is at most as wide as the console: cells are truncated and columns at the right left out. A
    single row that is too wide is printed with one line per column.
    """
    if not fit:
        widths = _natural(names, rows)
        console.width = max(console.width, sum(widths) + WIDE_GAP * len(widths))
        console.print(_table(names, rows, numeric, widths, gap=WIDE_GAP))
        console.print(counted(len(rows) + more, "row"), style="dim", highlight=False)
        return
    widths = fit_widths(_natural(names, rows), console.width)
    if len(widths) < len(names) and len(rows) == 1:
        _print_record(console, names, rows[0])
    else:
        console.print(_table(names[: len(widths)], rows, numeric, widths, gap=GAP))
    count = counted(len(rows) + more, "row")
    _note(console, f"{len(rows):,} of {count}, {more:,} more: --all shows them" if more else count)
    if left_out := names[len(widths) :] if len(rows) != 1 else ():
        _note(console, f"{counted(len(left_out), 'more column')}, --all shows them: {', '.join(left_out)}")


def fit_widths(natural: Sequence[int], width: int) -> list[int]:
    """Widths of the leftmost columns (at least one) that fit into a width; the widest are truncated equally."""
    kept, used = 0, -GAP
    for wanted in natural:
        used += GAP + min(wanted, MIN_CELL)
        if kept and used > width:
            break
        kept += 1
    level = _level(natural[:kept], width - GAP * (kept - 1))
    return [min(wanted, level) for wanted in natural[:kept]]


def _level(widths: Sequence[int], available: int) -> int:
    """The maximum column width with which all columns fit into the available width."""
    for index, wanted in enumerate(sorted(widths)):
        remaining = len(widths) - index
        if wanted * remaining > available:
            return max(1, available // remaining)
        available -= wanted
    return max(widths, default=1)


def _natural(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [
        max(cell_len(name), max((cell_len(row[index]) for row in rows), default=0), 1)
        for index, name in enumerate(names)
    ]


def _table(
    names: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool], widths: Sequence[int], *, gap: int
) -> Table:
    # The box draws one space of the gap.
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, gap - 2))
    for name, is_numeric, width in zip(names, numeric, widths, strict=False):
        justify: JustifyMethod = "right" if is_numeric else "left"
        table.add_column(Text(name), justify=justify, no_wrap=True, overflow="ellipsis", width=width)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row[: len(widths)]))
    return table


def _print_record(console: Console, names: Sequence[str], row: Sequence[str]) -> None:
    width = max(map(cell_len, names))
    for name, cell in zip(names, row, strict=True):
        line = Text(f"{name}{' ' * (width - cell_len(name) + GAP)}{cell}".rstrip())
        console.print(line, no_wrap=True, overflow="ellipsis", highlight=False)


def _note(console: Console, text: str) -> None:
    console.print(Text(text, style="dim"), no_wrap=True, overflow="ellipsis")
