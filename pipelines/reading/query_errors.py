"""Explains a DuckDB error in one line: lists the tables, suggests similar columns, or quotes DuckDB."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches

import duckdb

from pipelines.errors import MilestonesError

NOT_A_QUERY = "there is no query in this text: write one, such as select count(*) from milestones"
NO_FILES = (
    "only the published file is accessible here: to join your own files or databases, attach it in DuckDB as "
    "docs/other-tools.md shows; to write a result to a file, use milestones export"
)
TEXT_ARGUMENT = "a parameter is text, like a quoted value: cast it to the type that the function needs ($hours::double)"

_NO_TABLE = re.compile(r"Table (Function )?with name (.+?) does not exist")
_NO_COLUMN = re.compile(r'Referenced column "(.+?)" not found|does not have a column named "(.+?)"')
_HINTS = (
    (re.compile(r"file system operations are disabled|extensions is disabled|requires the extension"), NO_FILES),
    (re.compile(r"function call \".*STRING_LITERAL"), TEXT_ARGUMENT),
)
_POSITION = re.compile(r"\s*LINE \d+:.*", re.DOTALL)

_TYPED = "details_<type>"
_READABLE = """
    SELECT name FROM (
        SELECT table_name AS name, 1 AS kind FROM duckdb_tables() WHERE database_name = current_database()
        UNION ALL SELECT view_name, 2 FROM duckdb_views() WHERE database_name = current_database() AND NOT internal
        UNION ALL SELECT function_name || '()', 3 FROM duckdb_functions()
        WHERE database_name = current_database() AND function_type = 'table_macro'
          AND function_name NOT IN (SELECT view_name FROM duckdb_views())
    ) WHERE name <> 'schema_version' ORDER BY kind, starts_with(name, 'details_'), name = 'details_fields' DESC, name
"""
_COLUMNS = """
    SELECT column_name, list(table_name ORDER BY table_name) FROM duckdb_columns()
    WHERE database_name = current_database() AND NOT internal GROUP BY column_name ORDER BY column_name
"""
_TABLES_SHOWN = 4


class QueryFailed(MilestonesError):
    """DuckDB cannot run a query."""


@contextmanager
def explain_errors(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Turn every DuckDB error of the block into QueryFailed, whose message explains it."""
    try:
        yield
    except duckdb.Error as error:
        raise QueryFailed(explain(connection, error)) from error
    except OverflowError as error:
        # Python's timedelta ends at a thousand million days.
        raise QueryFailed(f"a value is too large for Python ({error}): cast it to text in the query") from error


def explain(connection: duckdb.DuckDBPyConnection, error: duckdb.Error) -> str:
    """One line: which name is unknown and which names exist, or else DuckDB's message."""
    text = str(error)
    if match := _NO_TABLE.search(text):
        return unknown_table(connection, match[2], is_called=bool(match[1]))
    if match := _NO_COLUMN.search(text):
        return _no_column(connection, match[1] or match[2])
    message = " ".join(_POSITION.sub("", text).split()) or " ".join(text.split())
    hint = next((hint for pattern, hint in _HINTS if pattern.search(text)), "")
    return f"{message} ({hint})" if hint else message


def unknown_table(connection: duckdb.DuckDBPyConnection, name: str, *, is_called: bool = False) -> str:
    """The message for an unknown table, view or macro, with similar names and a list of all."""
    names = [row[0] for row in connection.execute(_READABLE).fetchall()]
    if f"{name}()" in names and not is_called:
        return f"{name} is a macro: call it in a query, with its arguments in parentheses (from {name}(...))"
    what = "macro" if is_called else "table or view"
    near = get_close_matches(name.lower(), [known.removesuffix("()") for known in names], n=3)
    suggestion = f"; did you mean {' or '.join(near)}?" if near else "."
    shown = list(dict.fromkeys(_TYPED if _is_typed(known) else known for known in names))
    return f"there is no {what} {name}{suggestion} There are: {', '.join(shown)}"


def _no_column(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    tables = dict(connection.execute(_COLUMNS).fetchall())
    near = [name] if name in tables else get_close_matches(name.lower(), tables, n=3)
    if not near:
        return f"there is no column {name}: list the columns of a table with describe, as in describe milestones"
    suggestions = " or ".join(f"{column} (of {_few(tables[column])})" for column in near)
    return f"there is no column {name} here; did you mean {suggestions}?"


def _few(tables: list[str]) -> str:
    shown = list(dict.fromkeys(_TYPED if _is_typed(table) else table for table in tables))
    return ", ".join(shown[:_TABLES_SHOWN]) + (" ..." if len(shown) > _TABLES_SHOWN else "")


def _is_typed(table: str) -> bool:
    return table.startswith("details_") and table != "details_fields"
