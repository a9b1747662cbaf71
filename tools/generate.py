"""Writes the generated parts of the documentation: the data dictionary, and the answers in the cookbook.

A document with answers holds its own questions: every block of SQL is run, and the table after it replaced by what came
back. The data are the demo's, made by a clock that stands still, so that they are the same wherever this runs.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sandbox
from pipelines.cli.demo import DEMO_ROWS
from pipelines.kalshi.client import KalshiClient
from pipelines.publish.views import describe_views
from pipelines.reading.answers import Question
from pipelines.reading.formats import Style, markdown_lines
from pipelines.reading.query import reading
from pipelines.storage.home import Home
from pipelines.sweep.fetch import Silent, SweepRequest
from pipelines.sweep.stages import Stations
from sandbox.app import build_app
from sandbox.evolve import Counts, evolve
from sandbox.generate import generate_bodies
from sandbox.world import World
from schemas.dictionary import dictionary

DOCS = Path(__file__).parents[1] / "docs"
DICTIONARY = DOCS / "data-dictionary.md"
COOKBOOK = DOCS / "cookbook.md"

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
"""The time that the cookbook's queries take for now."""

SWEEPS = (
    (timedelta(minutes=60), SweepRequest(mode="full")),
    (timedelta(minutes=40), SweepRequest(mode="full")),
    (timedelta(minutes=20), SweepRequest(mode="full")),
    (timedelta(minutes=5), SweepRequest(mode="incremental")),
)
"""How long before NOW each sweep is made, and which; the milestones change between them."""

CHANGED_BEFORE = timedelta(minutes=1)
"""How long before a sweep."""

CHANGES = Counts(
    inserts=10, reschedules=4, title_edits=3, tickers_added=3, tickers_removed=2, status_changes=5, removals=2
)
_QUESTION = re.compile(r"(```sql\n(.*?)```\n)(?:\n(?:\|[^\n]*\n)+)?", re.DOTALL)


def make_demo(home: Home) -> None:
    """The demo's milestones, read by several sweeps while they change, and published."""
    clock = _Clock(NOW - SWEEPS[0][0])
    world = World(generate_bodies(DEMO_ROWS, 1, clock.time), now=clock)
    stations = Stations(home, now=clock)
    with sandbox.running(build_app(world)) as api:
        for number, (before, request) in enumerate(SWEEPS):
            if number:
                clock.time = NOW - before - CHANGED_BEFORE
                evolve(world, number, CHANGES)
            clock.time = NOW - before
            with KalshiClient(api.base_url, requests_per_second=0, deadline_seconds=60, now=clock) as client:
                stations.land(client, request, Silent())
            stations.stage_records()
            stations.stage_tables()
            stations.load()
    stations.publish()


@contextmanager
def demo_home() -> Iterator[Home]:
    """A home with the demo's data, for as long as it is used."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "data")
        make_demo(home)
        yield home


def answered(document: str, home: Home) -> str:
    """The document with every block of SQL followed by its answer."""

    def answer(question: re.Match[str]) -> str:
        with reading(home) as connection:
            lines = markdown_lines(Question(connection, question[2]).answer(), Style("markdown"))
            return f"{question[1]}\n{''.join(lines)}"

    return _QUESTION.sub(answer, document)


def questions(document: str) -> list[str]:
    """Its blocks of SQL."""
    return [question[2] for question in _QUESTION.finditer(document)]


def data_dictionary(home: Home) -> str:
    """The data dictionary of what is published."""
    with reading(home) as connection:
        return dictionary(describe_views(connection))


def main() -> None:
    """Write them anew."""
    with demo_home() as home:
        DICTIONARY.write_text(data_dictionary(home), encoding="utf-8")
        COOKBOOK.write_text(answered(COOKBOOK.read_text(encoding="utf-8"), home), encoding="utf-8")


class _Clock:
    """Stands still until it is set."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def __call__(self) -> datetime:
        return self.time


if __name__ == "__main__":
    main()
