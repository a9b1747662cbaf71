"""The resources: the data dictionary, the cookbook, the state of the data."""

from __future__ import annotations

import duckdb

from pipelines.errors import MilestonesError
from pipelines.mcp_server.tables import declared_views
from pipelines.project_files import project_file
from pipelines.reading.formats import Style, markdown_lines
from pipelines.reading.published import open_published
from pipelines.reading.results import BoundStatement
from pipelines.storage.home import Home
from schemas.dictionary import dictionary

_STATUS = {
    "Milestones": "FROM freshness",
    "Names, events, series and live data": "FROM endpoint_freshness",
    "Last sweeps": """
        SELECT started_at, finished_at, mode, status, is_complete, records, new, changed, vanished, quarantined, error
        FROM sweeps ORDER BY sweep_id DESC LIMIT 5
    """,
}


def data_dictionary() -> str:
    """Every table, view and column, as Markdown."""
    return dictionary(list(declared_views().values()))


def cookbook() -> str:
    """The users' questions with their SQL, as Markdown."""
    return project_file("docs/cookbook.md").read_text(encoding="utf-8")


def state(home: Home) -> str:
    """How fresh the data are, and the last sweeps, as Markdown; what to do if there are none."""
    try:
        with open_published(home) as connection:
            return "\n".join(_section(connection, title, query) for title, query in _STATUS.items())
    except MilestonesError as error:
        return str(error)


def _section(connection: duckdb.DuckDBPyConnection, title: str, query: str) -> str:
    lines = markdown_lines(BoundStatement(connection, query).result(), Style("markdown"))
    return f"## {title}\n\n{''.join(lines)}"
