"""A fitted table is not wider than the window, and names the columns and rows that it leaves out."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from pipelines.cli.text_table import GAP, MIN_CELL, fit_widths, print_table


def printed(names: list[str], rows: list[list[str]], *, width: int = 80, more: int = 0, fit: bool = True) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None)
    print_table(console, names, rows, numeric=[False] * len(names), fit=fit, more=more)
    return file.getvalue().splitlines()


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.integers(MIN_CELL, 300))
def test_widths_fit(natural: list[int], width: int) -> None:
    widths = fit_widths(natural, width)
    assert sum(widths) + GAP * (len(widths) - 1) <= width
    assert all(width <= wanted for width, wanted in zip(widths, natural, strict=False))
    assert all(width >= min(wanted, MIN_CELL) for width, wanted in zip(widths, natural, strict=False))
    if sum(natural) + GAP * (len(natural) - 1) <= width:
        assert widths == natural


@pytest.mark.parametrize(
    ("natural", "width", "widths"),
    [
        ([5, 5], 80, [5, 5]),
        ([36, 10, 500], 80, [33, 10, 33]),
        ([500], 80, [80]),
        ([20, 20, 20, 20], 80, [20, 20, 20]),
        ([], 80, []),
    ],
    ids=str,
)
def test_the_widest_columns_are_truncated(natural: list[int], width: int, widths: list[int]) -> None:
    assert fit_widths(natural, width) == widths


def test_omitted_rows_and_columns_are_named() -> None:
    names = [f"column_{number}" for number in range(9)]
    rows = [[f"{number} {'é東🏀' * 20}" for number in range(9)]] * 2
    lines = printed(names, rows, more=1_000)
    assert all(cell_len(line) <= 80 for line in lines)
    assert lines[2].count("…") == 3
    assert lines[-2:] == [
        "2 of 1,002 rows, 1,000 more: --all shows them",
        "6 more columns, --all shows them: column_3, column_4, column_5, column_6, colum…",
    ]


def test_a_single_wide_row_has_one_line_per_column() -> None:
    names = [f"column_{number}" for number in range(9)]
    lines = printed(names, [["x" * 30] * 8 + ["y" * 90]])
    assert lines[0] == f"column_0  {'x' * 30}"
    assert lines[8] == f"column_8  {'y' * 69}…"
    assert lines[9:] == ["1 row"]


def test_a_table_that_is_not_fitted_is_complete() -> None:
    names = [f"column_{number}" for number in range(9)]
    lines = printed(names, [["x" * 300] * 9] * 2, fit=False)
    assert lines[2].split() == ["x" * 300] * 9
    assert lines[-1] == "2 rows"
