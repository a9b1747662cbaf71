"""Excel workbooks: one sheet with typed cells, streamed row by row. Needs the extra xlsx.

A sheet holds what Excel can hold exactly. Anything else is text, as in CSV: integers and decimals of more than 15
digits, times outside the years 1900 to 9999, infinity, intervals, lists and JSON. Text is never a formula or a link.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.errors import ExtraMissing, MilestonesError
from pipelines.reading.query_errors import NOT_A_QUERY, QueryFailed
from pipelines.reading.results import BoundStatement, Column, TextResult, to_rfc3339
from pipelines.wording import counted

MAX_ROWS, MAX_COLUMNS, MAX_CHARACTERS = 1_048_576, 16_384, 32_767
"""Excel's limits: rows and columns of a sheet, UTF-16 characters of a cell."""

EXACT_DIGITS = 15
"""Significant digits of a number that Excel shows and keeps when a cell is edited."""

FIRST_YEAR = 1900
MIN_WIDTH, MAX_WIDTH = 8, 60
WIDTH_OF_FILTER = 3
"""Room for the filter's arrow beside a header."""

MEASURED_ROWS = 1_000
"""Rows that the widths of columns are taken from."""

_FORMATS = {"time": "yyyy-mm-dd hh:mm:ss", "day": "yyyy-mm-dd"}
_ZONED = "TIMESTAMP WITH TIME ZONE"
_FLOATS = ("FLOAT", "DOUBLE")

Write = Callable[[int, int, Column, str], None]
"""Writes a value to the cell of a row and a column."""


class TooLargeForExcel(MilestonesError):
    """A result or a value exceeds a limit of Excel."""


def write_workbook(statement: BoundStatement, path: Path) -> int:
    """Write the result of a statement; the number of rows. Temporary files are beside `path`.

    Raises QueryFailed, TooLargeForExcel, ExtraMissing, and OSError for a file that cannot be written.
    """
    if not statement.has_result:
        raise QueryFailed(NOT_A_QUERY)
    try:
        import xlsxwriter  # noqa: PLC0415 - an extra
        from xlsxwriter.exceptions import FileCreateError  # noqa: PLC0415
    except ImportError as error:
        raise ExtraMissing("an Excel file", "xlsx") from error
    _check_size(len(statement.columns), MAX_COLUMNS, "column", "an Excel sheet holds")
    _check_size(statement.count(), MAX_ROWS - 1, "row", "an Excel sheet holds, below its header,")
    with TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.") as folder:
        workbook = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": folder})
        workbook.use_zip64()
        sheet = workbook.add_worksheet("result")
        try:
            rows = _write_sheet(workbook, sheet, statement.result())
            workbook.close()
        except FileCreateError as error:
            (cause,) = error.args
            raise cause from error
        finally:
            sheet.row_data_fh.close()
    return rows


def _check_size(count: int, limit: int, what: str, holds: str) -> None:
    if count > limit:
        raise TooLargeForExcel(
            f"the result has {counted(count, what)}, but {holds} {limit:,}: select fewer with --query, "
            "or export Parquet or CSV"
        )


def _write_sheet(workbook: Any, sheet: Any, result: TextResult) -> int:
    sheet.freeze_panes(1, 0)
    names = [
        f"{name} (UTC)" if column.type == _ZONED else name
        for name, column in zip(result.names, result.columns, strict=True)
    ]
    widths = [len(name) + WIDTH_OF_FILTER for name in names]
    bold = workbook.add_format({"bold": True})
    for index, name in enumerate(names):
        sheet.write_string(0, index, name[:MAX_CHARACTERS], bold)
    cells = _Cells(workbook, sheet)
    writers = [(index, column, cells.writer(column)) for index, column in enumerate(result.columns)]
    row = 0
    for row, values in enumerate(result.rows, start=1):
        for (index, column, write), value in zip(writers, values, strict=True):
            if value is not None:
                write(row, index, column, value)
        if row <= MEASURED_ROWS:
            widths = [max(width, len(value or "")) for width, value in zip(widths, values, strict=True)]
    sheet.autofilter(0, 0, row, len(names) - 1)
    for index, width in enumerate(widths):
        sheet.set_column(index, index, min(max(width, MIN_WIDTH), MAX_WIDTH))
    return row


class _Cells:
    """Writes values, as DuckDB spells them, to the cells of a sheet."""

    def __init__(self, workbook: Any, sheet: Any) -> None:
        self.sheet = sheet
        self.formats = {name: workbook.add_format({"num_format": text}) for name, text in _FORMATS.items()}

    def writer(self, column: Column) -> Write:
        """The method for the values of a column."""
        if column.type == "DATE":
            return self.time
        kinds: dict[str, Write] = {"number": self.number, "boolean": self.boolean, "time": self.time}
        return kinds.get(column.kind.name, self.text)

    def text(self, row: int, index: int, column: Column, value: str) -> None:
        if len(value) > MAX_CHARACTERS // 2 and len(value.encode("utf-16-le")) // 2 > MAX_CHARACTERS:
            raise TooLargeForExcel(
                f"row {row:,} has {len(value):,} characters in the column {column.name}, but an Excel cell holds "
                f"{MAX_CHARACTERS:,}: leave the column out or shorten it with --query, or export Parquet or CSV"
            )
        if value.startswith("<r>") and value.endswith("</r>"):
            # The library takes such text for XML, and would not escape it. It escapes the parts of a rich string.
            self.sheet.write_rich_string(row, index, value[:1], value[1:2], value[2:])
        else:
            self.sheet.write_string(row, index, value)

    def number(self, row: int, index: int, column: Column, value: str) -> None:
        found = float(value)
        if math.isfinite(found) and (column.type in _FLOATS or _significant_digits(value) <= EXACT_DIGITS):
            self.sheet.write_number(row, index, found)
        else:
            self.text(row, index, column, value)

    def boolean(self, row: int, index: int, _: Column, value: str) -> None:
        self.sheet.write_boolean(row, index, value == "true")

    def time(self, row: int, index: int, column: Column, value: str) -> None:
        try:
            found = datetime.fromisoformat(value).replace(tzinfo=None)
        except ValueError:
            found = datetime.min  # noqa: DTZ901 - a time that Python does not have is text, like one before FIRST_YEAR
        if found.year < FIRST_YEAR:
            self.text(row, index, column, to_rfc3339(value))
        else:
            self.sheet.write_datetime(row, index, found, self.formats["day" if column.type == "DATE" else "time"])


def _significant_digits(text: str) -> int:
    return len(re.sub(r"\D", "", text).strip("0"))
