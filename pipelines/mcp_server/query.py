"""The tool query: one SQL query of the client, with a limit on what it returns."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import islice
from typing import Annotated, Any

import duckdb
from pydantic import BaseModel, Field

from pipelines.errors import WrongUse
from pipelines.escaping import one_line
from pipelines.mcp_server.answers import Answer, Arguments, freshness
from pipelines.mcp_server.limits import Limits
from pipelines.mcp_server.values import ANSWER_CHARACTERS, VALUE_CHARACTERS, is_cut, markdown_table, short
from pipelines.reading.json_text import dumps
from pipelines.reading.query_errors import NOT_A_QUERY, QueryFailed, explain_errors
from pipelines.reading.results import BoundStatement, Kind, TextResult, json_value
from pipelines.reading.statements import statements
from pipelines.wording import counted

_QUERIES = (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI)
"""SELECT is also the type of FROM, WITH, VALUES, DESCRIBE, SHOW and SUMMARIZE; MULTI is that of PIVOT."""


class QueryArguments(Arguments):
    """Arguments of the tool query."""

    sql: str = Field(description="One query in DuckDB's SQL: SELECT, FROM, WITH, DESCRIBE, SHOW, SUMMARIZE or PIVOT.")
    limit: Annotated[int, Field(ge=1, description="Maximum number of rows to return.")] = 100


class ResultColumn(BaseModel):
    """A column of a result."""

    name: str
    kind: str = Field(description="number, boolean, time, text, list, map, struct, json (as text), or other")


class QueryAnswer(Answer):
    """Answer of the tool query."""

    columns: list[ResultColumn]
    rows: list[list[Any]] = Field(description="Values in the order of the columns. Times are RFC 3339 in UTC.")
    is_complete: bool = Field(description="Whether these are all rows of the result, with all values in full.")
    notices: list[str] = Field(description="What was left out, and how to get it.")

    def paragraphs(self) -> list[str]:
        """The result as a table."""
        if not self.rows:
            names = ", ".join(column.name for column in self.columns)
            return [f"No rows (columns: {names}).", *self.notices]
        return [markdown_table([column.name for column in self.columns], self.rows), *self.notices]


def query(connection: duckdb.DuckDBPyConnection, asked: QueryArguments, limits: Limits) -> QueryAnswer:
    """Run a query. Raises QueryFailed, WrongUse."""
    statement = _one_query(connection, asked.sql)
    limit = min(asked.limit, limits.rows)
    result = BoundStatement(connection, statement).result(is_nested=True, limit=limit + 1)
    found = list(islice(result.rows, limit + 1))
    notices = []
    if len(found) > limit:
        notices.append(
            f"Cut: these are the first {counted(limit, 'row')}, and there are more; {_advice(asked, limits)}."
        )
    rows, cut = _short_rows(result, found[:limit])
    if len(rows) < len(found[:limit]):
        notices.append(
            f"Cut: these are the first {counted(len(rows), 'row')}, as the answer would be longer than "
            f"{ANSWER_CHARACTERS:,} characters; select fewer columns, aggregate, or filter."
        )
    names = [one_line(name) for name in result.names]
    if cut:
        where = ", ".join(names[index] for index in cut)
        notices.append(
            f"Values longer than {VALUE_CHARACTERS:,} characters are cut in {where}; "
            "select a part, with substr(text, begin, length) or, of JSON, with details ->> '$.key'."
        )
    columns = [
        ResultColumn(name=name, kind=column.kind.name.removesuffix("_text"))
        for name, column in zip(names, result.columns, strict=True)
    ]
    return QueryAnswer(**freshness(connection), columns=columns, rows=rows, is_complete=not notices, notices=notices)


def _one_query(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """The only statement of a text, without its semicolon. Raises QueryFailed, WrongUse."""
    found = list(statements(text))
    if not found:
        raise QueryFailed(NOT_A_QUERY)
    if len(found) > 1:
        raise WrongUse(f"these are {len(found)} statements: send one query in a call")
    with explain_errors(connection):
        (statement,) = connection.extract_statements(found[0])
    if statement.type not in _QUERIES:
        raise WrongUse(
            f"{statement.type.name} is not allowed, as the data are read-only: "
            "use SELECT, FROM, WITH, DESCRIBE, SHOW, SUMMARIZE or PIVOT"
        )
    return found[0]


def _advice(asked: QueryArguments, limits: Limits) -> str:
    if asked.limit >= limits.rows:
        return f"aggregate or filter, as one answer has at most {counted(limits.rows, 'row')}"
    return f"aggregate, filter, or raise limit (at most {limits.rows:,})"


def _short_rows(result: TextResult, rows: list[Any]) -> tuple[list[list[Any]], list[int]]:
    """The rows that fit into an answer, at least one, and the indexes of the columns with cut values."""
    kept: list[list[Any]] = []
    cut: set[int] = set()
    size = 0
    for row in rows:
        values = [_value(column.kind, value) for column, value in zip(result.columns, row, strict=True)]
        shown = [short(value) for value in values]
        size += len(json.dumps(shown, ensure_ascii=False))
        if kept and size > ANSWER_CHARACTERS:
            break
        kept.append(shown)
        cut.update(index for index, value in enumerate(values) if is_cut(value))
    return kept, sorted(cut)


def _value(kind: Kind, value: Any) -> Any:
    """A value as JSON; JSON columns stay text, so that every digit is kept and a part can be cut off."""
    if value is None or kind.name in ("text", "json", "json_text"):
        return value
    return json.loads(dumps(json_value(kind, value, json=str)), parse_float=_float)


def _float(text: str) -> float | str:
    """A number, or its text where a double would lose digits."""
    value = float(text)
    return value if Decimal(repr(value)) == Decimal(text) else text
