"""A table for people: whole where it goes into a file or a pipe, fitted to the window at a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from pipelines.wording import counted

GAP, WIDE_GAP = 2, 3
"""Blanks between two columns: where the window is what there is, and where there is room."""

MIN_CELL = 20
"""A column that is cut keeps this many characters, enough for a time."""

ROWS_AT_A_TERMINAL = 40

_ANY_WIDTH = 1_000_000


def print_table(
    console: Console,
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numeric: Sequence[bool],
    fit: bool = False,
    more: int = 0,
) -> None:
    """Print rows of printable text, one line each; then how many there are, and how many `more` were not fetched.

    With `fit` the table is no wider than the console: cells are cut, columns at the right left out. A single row that
    is too wide is printed with a line for each column.
    """
    if not fit:
        widths = _natural(names, rows)
        console.width = max(console.width, sum(widths) + WIDE_GAP * len(widths))
        console.print(_table(names, rows, numeric, widths, gap=WIDE_GAP))
        console.print(counted(len(rows) + more, "row"), style="dim", highlight=False)
        return
    widths = fitted(_natural(names, rows), console.width)
    if len(widths) < len(names) and len(rows) == 1:
        _print_record(console, names, rows[0])
    else:
        console.print(_table(names[: len(widths)], rows, numeric, widths, gap=GAP))
    count = counted(len(rows) + more, "row")
    _note(console, f"{len(rows):,} of {count}, {more:,} more: --all shows them" if more else count)
    if left_out := names[len(widths) :] if len(rows) != 1 else ():
        _note(console, f"{counted(len(left_out), 'more column')}, --all shows them: {', '.join(left_out)}")


def fitted(natural: Sequence[int], width: int) -> list[int]:
    """Widths of the columns from the left that fit into a width, one at least; the widest are cut to one level."""
    kept, used = 0, -GAP
    for wanted in natural:
        used += GAP + min(wanted, MIN_CELL)
        if kept and used > width:
            break
        kept += 1
    level = _level(natural[:kept], width - GAP * (kept - 1))
    return [min(wanted, level) for wanted in natural[:kept]]


def _level(widths: Sequence[int], room: int) -> int:
    """The most that each may have so that all of them fit into the room."""
    for place, wanted in enumerate(sorted(widths)):
        remaining = len(widths) - place
        if wanted * remaining > room:
            return max(1, room // remaining)
        room -= wanted
    return max(widths, default=1)


def _natural(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [
        max(cell_len(name), max((cell_len(row[index]) for row in rows), default=0), 1)
        for index, name in enumerate(names)
    ]


def _table(
    names: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool], widths: Sequence[int], *, gap: int
) -> Table:
    # The box draws one blank of the gap.
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
