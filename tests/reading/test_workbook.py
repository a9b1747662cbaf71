"""Excel workbooks: every value arrives with its type or as text, whatever the text is."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import duckdb
import pytest

from pipelines.cli.main import run
from pipelines.errors import MilestonesError
from pipelines.reading import workbook
from pipelines.reading.export import export_file
from pipelines.reading.formats import Style
from pipelines.reading.published import open_published
from tests.support import Shell, tree

pytest.importorskip("xlsxwriter", reason="needs the extra xlsx")

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
EPOCH = datetime(1899, 12, 30)


@pytest.fixture
def connection(published: Shell) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_published(published.home) as connection:
        yield connection


def part(file: Path, name: str) -> ET.Element:
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        return ET.fromstring(archive.read(name))  # noqa: S314 - written by the test


def sheet(file: Path) -> ET.Element:
    return part(file, "xl/worksheets/sheet1.xml")


def rows(file: Path) -> list[list[Any]]:
    """The cells, as Excel reads them; None for an empty one."""
    styles = part(file, "xl/styles.xml")
    codes = {item.attrib["numFmtId"]: item.attrib["formatCode"] for item in styles.iter(f"{MAIN}numFmt")}
    (formats,) = styles.iter(f"{MAIN}cellXfs")
    found = []
    for row in sheet(file).iter(f"{MAIN}row"):
        values: dict[str, Any] = {}
        for cell in row:
            code = codes.get(formats[int(cell.attrib.get("s", 0))].attrib["numFmtId"], "")
            values[re.sub(r"\d", "", cell.attrib["r"])] = value(cell, code)
        found.append([values.get(chr(ord("A") + index)) for index in range(ord(max(values)) - ord("A") + 1)])
    return found


def value(cell: ET.Element, code: str) -> Any:
    assert cell.find(f"{MAIN}f") is None
    if cell.attrib.get("t") == "inlineStr":
        text = "".join(node.text or "" for node in cell.iter(f"{MAIN}t"))
        return re.sub(r"_x([0-9A-F]{4})_", lambda match: chr(int(match[1], 16)), text)
    number = cell.findtext(f"{MAIN}v")
    assert number is not None
    if cell.attrib.get("t") == "b":
        return number == "1"
    return EPOCH + timedelta(days=float(number)) if code.startswith("yyyy") else float(number)


def exported(connection: duckdb.DuckDBPyConnection, query: str, folder: Path) -> Path:
    file = folder / "result.xlsx"
    export_file(connection, query, Style("xlsx"), file)
    return file


TYPED = {
    "true": True,
    "-7": -7.0,
    "0.1::float": 0.1,
    "0.1234567890123456::double": 0.1234567890123456,
    "1e300::double": 1e300,
    "123456789012345": 123456789012345.0,
    "1234567890.12345::decimal(20, 5)": 1234567890.12345,
    "100000000000000000::bigint": 1e17,
    "9007199254740993::bigint": "9007199254740993",
    "12345678901234.567::decimal(20, 3)": "12345678901234.567",
    "'inf'::double": "inf",
    "'nan'::double": "nan",
    "'00763590'": "00763590",
    "''": "",
    "null": None,
    "timestamptz '2026-11-23 12:00:00+00'": datetime(2026, 11, 23, 12),
    "timestamp '1900-03-01 00:00:00'": datetime(1900, 3, 1),
    "timestamptz '0001-01-01 00:00:00+00'": "0001-01-01T00:00:00Z",
    "'infinity'::timestamptz": "infinity",
    "date '2026-11-23'": datetime(2026, 11, 23),
    "date '44-03-15 (BC)'": "0044-03-15 (BC)",
    "interval 90 minute": "01:30:00",
    "[1, 2]": "[1, 2]",
    "{'a': 1}::json": '{"a":1}',
    "time '01:02:03'": "01:02:03",
}


def test_types(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for start in range(0, len(TYPED), 20):
        chosen = list(TYPED)[start : start + 20]
        file = exported(connection, f"select {', '.join(chosen)}, 'end'", tmp_path)
        found = rows(file)[1]
        assert dict(zip(chosen, found, strict=False)) == {name: TYPED[name] for name in chosen}
        assert found[-1] == "end"


TEXTS = [
    "=1+1",
    '=HYPERLINK("https://example.com")',
    "https://example.com",
    "@SUM(A1)",
    "-3.5",
    "a\x00b\x1b[31m\x0b\r\n\ttab",
    "_x0041_",
    "\ufffe\uffff",
    "<r></is></c><c r='B9'><v>1</v></c></r>",
    "<r><t>rich</t></r>",
    "<b>&amp;</b>",
    "  spaces  ",
    "é 東京 🏀",
]


@pytest.mark.parametrize("text", TEXTS, ids=repr)
def test_text_arrives_unchanged(connection: duckdb.DuckDBPyConnection, tmp_path: Path, text: str) -> None:
    characters = " || ".join(f"chr({ord(character)})" for character in text)
    file = exported(connection, f"select {characters} as a, 'end' as b", tmp_path)
    assert rows(file) == [["a", "b"], [text, "end"]]
    assert sheet(file).find(f"{MAIN}hyperlinks") is None


def test_the_header(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    query = "select now() as at, 1 as a, 2 as a, localtimestamp as naive, repeat('x', 500) as long, '=1' as \"=1\""
    file = exported(connection, query, tmp_path)
    assert rows(file)[0] == ["at (UTC)", "a", "a_2", "naive", "long", "=1"]
    found = sheet(file)
    (pane,) = found.iter(f"{MAIN}pane")
    assert (pane.attrib["ySplit"], pane.attrib["state"]) == ("1", "frozen")
    (filtered,) = found.iter(f"{MAIN}autoFilter")
    assert filtered.attrib["ref"] == "A1:F2"
    widths = [float(column.attrib["width"]) for column in found.iter(f"{MAIN}col")]
    assert 20 < widths[0] < workbook.MAX_WIDTH <= widths[-2] < workbook.MAX_WIDTH + 1


def test_a_table_without_rows(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert rows(exported(connection, "select 1 as a where false", tmp_path)) == [["a"]]


def test_a_table_of_the_command(
    published: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MILESTONES_HOME", str(published.home.root))
    file = tmp_path / "milestones.XLSX"
    assert run(["export", "--table", "milestones", "--output", str(file)]) == 0
    assert capsys.readouterr().err == f"99 rows in {file}\n"
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    header, *found = rows(file)
    assert len(found) == 99
    start = header.index("start_date (UTC)")
    assert all(isinstance(row[start], datetime) for row in found)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "select repeat('x', 32768) as long",
            "row 1 has 32,768 characters in the column long, but an Excel",
        ),
        ("select repeat('🏀', 16384) as long", "row 1 has 16,384 characters in the column long"),
        (
            "select range from range(1048576)",
            "the result has 1,048,576 rows, but an Excel sheet holds, below",
        ),
        (f"select {', '.join('1' * 16_385)}", "the result has 16,385 columns, but an Excel sheet holds 16,384"),
        ("select if(range = 50000, 'x', '1')::int as n from range(60000)", "Could not convert"),
        ("set variable x = 1", "there is no query"),
    ],
    ids=["characters", "UTF-16", "rows", "columns", "late", "no result"],
)
def test_a_result_that_does_not_fit_leaves_no_file(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, query: str, message: str
) -> None:
    with pytest.raises(MilestonesError, match=message):
        exported(connection, query, tmp_path)
    assert tree(tmp_path) == {}


def test_the_longest_text_fits(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    found = rows(exported(connection, "select repeat('x', 32767), repeat('🏀', 16383)", tmp_path))
    assert [len(text) for text in found[1]] == [32_767, 16_383]


def test_a_full_disk_is_one_line(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zipfile.ZipFile.write", no_space)
    with pytest.raises(MilestonesError, match=r"cannot write .*result.xlsx \(No space left on device\)"):
        exported(connection, "select 1", tmp_path)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "xlsx"], "Excel needs a file: name it with --output"),
        (["--output", "x.xlsx", "--raw"], "--raw applies to CSV only: leave it out for the format xlsx"),
        (["--output", "x.xlsx", "--bom"], "--bom applies to CSV only: leave it out for the format xlsx"),
    ],
    ids=["standard output", "raw", "byte order mark"],
)
def test_wrong_use(
    published: Shell,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("MILESTONES_HOME", str(published.home.root))
    assert run(["export", *arguments]) == 2
    assert capsys.readouterr().err == f"milestones: {message}\n"


def test_without_the_package_the_extra_is_named(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(MilestonesError, match=r"make extras.*\[xlsx\]"):
        exported(connection, "select 1", tmp_path)
    assert tree(tmp_path) == {}
