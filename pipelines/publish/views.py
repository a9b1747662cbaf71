"""Creates the views and macros of the published file, and reads their documentation: one .sql file each.

A file has a comment and a table macro. The first paragraph of the comment is the question that the view answers, the
next ones are rules and caveats, and the last has a line `name: meaning` for each column and parameter with a meaning of
its own. A macro whose parameters all have defaults also gets a view of the same name, which calls it without arguments:
most exclude simulated and vanished milestones, which the macro can include. The functions that macros call are in
`schemas.functions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from importlib import resources

import duckdb

from schemas.functions import FUNCTIONS
from schemas.sql import literal, quote
from schemas.tables import MILESTONES
from schemas.view import Parameter, View, ViewColumn

# The default for the current time is NULL: DuckDB 2.0 would store the value of now() at the creation of the macro.
COMMON_PARAMETERS = {
    "include_simulated": "Whether to include simulated games.",
    "include_vanished": "Whether to include vanished milestones.",
    "include_ended": "Whether to include milestones of the status groups ended and off (closed, cancelled, postponed).",
    "at_time": "The time to use as now. The rows are still the current ones; for past rows see milestones_as_of.",
}
PARTICIPANTS = (
    "Who takes part, by current name, or by id where it is not known: the sides (home, away, first, second); without "
    "sides the competitors; without those the candidates; else all others. Two are joined by vs, others by commas; of "
    "more than four, the first four and the number of the others. NULL if there are none."
)
COMMON_COLUMNS = {column.name: column.description for column in MILESTONES.columns} | {"participants": PARTICIPANTS}
_MACRO = re.compile(r"^CREATE OR REPLACE MACRO (\w+)\((.*)\) AS TABLE$", re.MULTILINE)
_MEANING = re.compile(r"^(\w+): (.+)$", re.MULTILINE)


@cache
def view_texts() -> dict[str, str]:
    """The texts of all files by name, called macros first: DuckDB 2.0 resolves calls at creation."""
    files = resources.files("pipelines.publish").joinpath("sql").iterdir()
    texts = {file.name.removesuffix(".sql"): file.read_text(encoding="utf-8") for file in files}
    calls = {name: {other for other in texts if f"FROM {other}(" in texts[name]} for name in sorted(texts)}
    return {name: texts[name] for name in TopologicalSorter(calls).static_order()}


def create_views(connection: duckdb.DuckDBPyConnection, texts: Mapping[str, str] | None = None) -> None:
    """Create or replace all views and macros, with their descriptions as comments in DuckDB."""
    for function in FUNCTIONS:
        for statement in function.statements:
            connection.execute(statement)
    for name, text in (texts or view_texts()).items():
        connection.execute(text)
        view = _describe(connection, name, text)
        for statement in _statements(view):
            connection.execute(statement)


def describe_views(connection: duckdb.DuckDBPyConnection) -> list[View]:
    """The descriptions of the views and macros in this database, ordered by name."""
    return [_describe(connection, name, text) for name, text in sorted(view_texts().items())]


def _statements(view: View) -> Iterator[str]:
    name, question = quote(view.name), literal(view.question)
    yield f"COMMENT ON MACRO TABLE {name} IS {question}"
    if view.is_view:
        yield f"CREATE OR REPLACE VIEW {name} AS FROM {name}()"
        yield f"COMMENT ON VIEW {name} IS {question}"
        for column in view.columns:
            yield f"COMMENT ON COLUMN {name}.{quote(column.name)} IS {literal(column.meaning)}"


def _describe(connection: duckdb.DuckDBPyConnection, name: str, text: str) -> View:
    """Describe a view by its file's comment and its columns in DuckDB. Raises KeyError for an undescribed column."""
    comment = "\n".join(line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--"))
    question, *notes, _ = paragraphs = comment.split("\n\n")
    meanings = dict(_MEANING.findall(paragraphs[-1]))
    parameters = tuple(_parameters(text, COMMON_PARAMETERS | meanings))
    required = ", ".join("NULL" for parameter in parameters if parameter.default is None)
    described = connection.execute(f"DESCRIBE FROM {quote(name)}({required})").fetchall()
    return View(
        name=name,
        question=" ".join(question.split()),
        notes=tuple(" ".join(note.split()) for paragraph in notes for note in re.split(r"\n(?=\w+: )", paragraph)),
        parameters=parameters,
        columns=tuple(
            ViewColumn(column, _sql_type(sql_type), (COMMON_COLUMNS | meanings)[column])
            for column, sql_type, *_ in described
        ),
    )


def _parameters(text: str, meanings: dict[str, str]) -> Iterator[Parameter]:
    macro = _MACRO.search(text)
    assert macro is not None, text  # noqa: S101
    for declared in filter(None, macro[2].split(", ")):
        name, _, default = declared.partition(" := ")
        yield Parameter(name, default or None, meanings[name])


def _sql_type(described: str) -> str:
    return described.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
