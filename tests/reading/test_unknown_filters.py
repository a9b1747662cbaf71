"""An unknown filter value is named, with similar values."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.reading.published import open_published
from pipelines.reading.unknown_filters import unknown_filters
from pipelines.storage.home import Home
from tests.support import milestone, serving_shells

GAMES = "KXGAME-1 or KXGAME-2 or KXGAME-3"
SEVEN = ", ".join(f"Category {number}" for number in range(7))
WHERE = "among the published milestones"
CODES = " (the API filters by codes such as NFL and EPL, which details may spell otherwise)"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    with serving_shells() as shells:
        league = {"details": {"league": "NFL"}}
        rows = [milestone(number, category="Sports", type="football_game", **league) for number in range(1, 4)]
        rows += [milestone(10 + number, category=f"Category {number}", type="other") for number in range(10)]
        shell = shells(tmp_path_factory.mktemp("filters"), rows)
        shell.sweep()
        shell.stages.publish()
    return shell.home


@pytest.mark.slow
@pytest.mark.parametrize(
    ("filters", "lines"),
    [
        ({"category": "Sports", "type": "football_game"}, []),
        ({"category": None, "type": None}, []),
        ({"category": "sports"}, [f"there is no category sports {WHERE}; did you mean Sports?"]),
        (
            {"category": "Sport", "type": "football_gam"},
            [
                f"there is no category Sport {WHERE}; did you mean Sports?",
                f"there is no type football_gam {WHERE}; did you mean football_game?",
            ],
        ),
        (
            {"category": "zzz"},
            [
                f"there is no category zzz {WHERE}; there are: Sports, {SEVEN} and 3 more",
            ],
        ),
        ({"event": "KXGAME-1", "source_id": "sr-1", "competition": "NFL"}, []),
        ({"event": "KXGAME"}, [f"there is no event ticker KXGAME {WHERE}; did you mean {GAMES}?"]),
        ({"event": "zzz"}, [f"there is no event ticker zzz {WHERE}"]),
        ({"source_id": "SR-1"}, [f"there is no source id SR-1 {WHERE}; did you mean sr-1 or sr-10 or sr-11?"]),
        ({"competition": "NLF"}, [f"there is no competition NLF {WHERE}; did you mean NFL?{CODES}"]),
    ],
    ids=str,
)
def test_unknown_filters(home: Home, filters: dict[str, str | None], lines: list[str]) -> None:
    with open_published(home) as connection:
        assert unknown_filters(connection, **filters) == lines


@pytest.mark.slow
def test_nothing_is_published_yet(tmp_path: Path) -> None:
    with serving_shells() as shells:
        shell = shells(tmp_path, [milestone(1)])
        shell.sweep(category="no such")
        shell.stages.publish()
    with open_published(shell.home) as connection:
        (line,) = unknown_filters(connection, type="x")
    assert line == (f"there is no type x {WHERE}, as there are none yet: run milestones ingest without filters first")
