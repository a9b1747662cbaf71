"""`milestones sql`: runs the statements of a text, or a prompt at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import duckdb
from rich.console import Console

from pipelines.cli.pager import paged
from pipelines.cli.report import print_statement
from pipelines.errors import WrongUse
from pipelines.escaping import one_line
from pipelines.reading.formats import Style
from pipelines.reading.parameters import Values, check_values
from pipelines.reading.published import open_published
from pipelines.reading.query_errors import QueryFailed, unknown_table
from pipelines.reading.results import BoundStatement, Column, with_json_text
from pipelines.reading.statements import is_complete, statements
from pipelines.storage.home import Home, expanded
from schemas.sql import literal

PROMPT, CONTINUED = "milestones> ", "       ...> "
HISTORY_LINES = 1_000
LISTED_ROWS = 10_000
"""Row limit for .tables and .schema."""
HELP = """\
A query ends with a semicolon and may have several lines. Ctrl-C discards the input or stops a query.
  .tables         tables, views and macros, with their content
  .schema NAME    the columns of a table or view, with their meaning
  help            this text
  exit            leave (also quit or Ctrl-D)
Tables are fitted to the window; milestones sql --all shows all rows and columns.
docs/cookbook.md has a query for every question, docs/data-dictionary.md every column."""

_TABLES = """
    SELECT name, kind, comment FROM (
        SELECT table_name AS name, 'table' AS kind, comment, 1 AS place FROM duckdb_tables()
        WHERE database_name = current_database() AND table_name <> 'schema_version'
        UNION ALL
        SELECT view_name, 'view', comment, 2 FROM duckdb_views()
        WHERE database_name = current_database() AND NOT internal
        UNION ALL
        SELECT function_name || '(' || array_to_string(parameters, ', ') || ')', 'macro', comment, 3
        FROM duckdb_functions() WHERE database_name = current_database() AND function_type = 'table_macro'
    ) ORDER BY starts_with(name, 'details_') AND name <> 'details_fields', place, name
"""
_SCHEMA = """
    SELECT column_name AS "column", data_type AS type, comment FROM duckdb_columns()
    WHERE database_name = current_database() AND NOT internal AND table_name = {name} ORDER BY column_index
"""


def run_script(console: Console, home: Home, text: str, style: Style, values: Values | None = None) -> None:
    """Run the statements of a text in order, on one connection. Raises QueryFailed at the first that fails.

    An empty line separates two results. As JSON, each result of several statements is an array on one line. Raises
    WrongUse, before it runs anything, if `values` are not those of the statements' parameters, and before it prints the
    last result, if no result has one of `style.json_columns` as text.
    """
    values = values or {}
    found = list(statements(text))
    style = replace(style, is_one_of_several=len(found) > 1)
    is_first = True
    names = {name.lower() for name in style.json_columns}
    missing = set(names)
    with open_published(home) as connection, paged(console, style) as output:
        check_values(connection, found, values)
        for number, statement in enumerate(found, start=1):
            bound = BoundStatement(connection, statement, values)
            bound.columns, nested = with_json_text(bound.columns, names)
            missing -= nested
            if missing and number == len(found):
                raise WrongUse(_no_text_column(missing, bound.columns))
            if bound.has_result and not is_first and style.format != "json":
                output.file.write("\n")
            print_statement(output, bound, style)
            is_first = is_first and not bound.has_result


def _no_text_column(names: Collection[str], columns: Sequence[Column]) -> str:
    text = [column.name for column in columns if column.kind.name in ("text", "json", "json_text")]
    has = f"it has {', '.join(text)}" if text else "it has none"
    return f"--json-columns {min(names)}: the result has no text column of this name; {has}"


def read_script(file: str) -> str:
    """The SQL in a file, or on standard input for `-`. Raises WrongUse."""
    name = "standard input" if file == "-" else file
    try:
        return sys.stdin.read() if file == "-" else expanded(Path(file)).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongUse(f"{name} is not UTF-8 text ({error}): give SQL") from error
    except OSError as error:
        raise WrongUse(f"cannot read {name} ({error.strerror}): give a file with SQL") from error


def run_prompt(home: Home, style: Style) -> None:
    """Run statements at a terminal until the input ends.

    The file is opened for each input, so results are current, and an error does not end the prompt.
    """
    console = Console()
    console.print("end a query with a semicolon; help lists the commands, exit leaves", style="dim")
    with _history(home.sql_history):
        for text in _read_inputs(console):
            # Ctrl-C stops a long query, not the prompt.
            with suppress(KeyboardInterrupt):
                _run_input(console, home, text, style)


def _run_input(console: Console, home: Home, text: str, style: Style) -> None:
    try:
        words = _words(text)
        if words[:1] == ["help"]:
            console.print(HELP, highlight=False, markup=False)
        elif words[:1] == [".tables"]:
            with open_published(home) as connection:
                print_statement(console, BoundStatement(connection, _TABLES), style, rows=LISTED_ROWS)
        elif words[:1] == [".schema"]:
            with open_published(home) as connection:
                _print_schema(console, connection, words[1] if len(words) > 1 else "milestones", style)
        else:
            run_script(console, home, text, style)
    except QueryFailed as error:
        Console(stderr=True).print(one_line(str(error)), markup=False, highlight=False, soft_wrap=True)


def _print_schema(console: Console, connection: duckdb.DuckDBPyConnection, name: str, style: Style) -> None:
    query = _SCHEMA.format(name=literal(name.lower()))
    if not connection.execute(query).fetchall():
        raise QueryFailed(unknown_table(connection, name))
    print_statement(console, BoundStatement(connection, query), style, rows=LISTED_ROWS)


def _words(text: str) -> list[str]:
    """The words of a prompt command, which needs no semicolon; empty for SQL."""
    words = text.strip().rstrip(";").split()
    head = words[0].lower().removeprefix(".") if words else ""
    is_command = head in ("tables", "schema") and text.lstrip().startswith(".")
    if is_command or (len(words) == 1 and head in ("help", "exit", "quit")):
        return [f".{head}" if is_command else head, *words[1:]]
    return []


def _read_inputs(console: Console) -> Iterator[str]:
    lines: list[str] = []
    while True:
        try:
            lines.append(input(CONTINUED if lines else PROMPT))
        except EOFError:
            console.print()
            break
        except KeyboardInterrupt:
            # Discard the input, as shells do.
            sys.stdout.write("\n")
            lines = []
            continue
        text = "\n".join(lines)
        words = _words(text) if len(lines) == 1 else []
        if words and words[0] in ("exit", "quit"):
            return
        if not text.strip():
            lines = []
        elif words or is_complete(text):
            yield text
            lines = []
    if lines:
        yield "\n".join(lines)


@contextmanager
def _history(file: Path) -> Iterator[None]:
    """Line editing, with the history of earlier prompts. Does nothing if Python was built without readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    # Without write access there is no history, but queries work.
    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(HISTORY_LINES)
    try:
        yield
    finally:
        with suppress(OSError):
            readline.write_history_file(file)
