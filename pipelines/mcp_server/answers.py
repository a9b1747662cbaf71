"""What the tools have in common: the form of arguments and answers, and how fresh an answer is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from pipelines.reading.connection import run_query

FRESHNESS = """
    SELECT now(), max(finished_at) FILTER (status = 'loaded' AND mode IN ('full', 'incremental') AND is_complete)
    FROM sweeps
"""


class Arguments(BaseModel):
    """Arguments of a tool. An unknown one is an error: ignored, it would change the question."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """What a tool returns, as data for programs; `text` is the same for readers."""

    now: datetime = Field(description="The current time, UTC.")
    as_of: datetime | None = Field(
        description="When the last sweep of all milestones or all updates ended, UTC: what changed later is not in the "
        "data. Null if there was none."
    )

    def text(self) -> str:
        """The answer as Markdown."""
        return "\n\n".join((*self.paragraphs(), self._freshness()))

    def paragraphs(self) -> list[str]:
        """The parts of the text before the line on freshness."""
        raise NotImplementedError

    def _freshness(self) -> str:
        as_of = f"{self.as_of:%Y-%m-%d %H:%M:%SZ}" if self.as_of else "never"
        return f"Data as of {as_of}; the time is now {self.now:%Y-%m-%d %H:%M:%SZ}."


def freshness(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The first fields of every answer."""
    ((now, as_of),) = run_query(connection, FRESHNESS).rows
    return {"now": now, "as_of": as_of}
