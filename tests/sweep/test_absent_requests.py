"""Requests by id for absent milestones: which vanished, which are archived, and how many are requested."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.kalshi.errors import NotFound
from pipelines.kalshi.response import Response
from pipelines.kalshi.scans import Fetched
from pipelines.storage.landing import Filters, Landing
from pipelines.sweep.absent_requests import ARCHIVE_SAMPLE, MAX_REQUESTS, evenly_spaced, request_absent
from pipelines.warehouse.absences import Absences, Archive
from tests.support import NOON, milestone_id


class ApiById:
    """An API that returns some milestones by id, and records the requested ids."""

    def __init__(self, existing: set[str]) -> None:
        self.existing = existing
        self.requested: list[str] = []

    def land(self, fetched: Iterator[Fetched]) -> None:
        for _ in fetched:
            pass

    def list_page(self, query: Any, cursor: str | None = None) -> Any:
        raise AssertionError("no list is requested")

    def get_milestone(self, milestone_id: str) -> Response:
        self.requested.append(milestone_id)
        if milestone_id not in self.existing:
            raise NotFound
        return Response(
            body=b"", next_cursor=None, ids=(milestone_id,), starts=(), updates=(), fetched_at=NOON, url_path="/"
        )


MANY = [milestone_id(number) for number in range(MAX_REQUESTS + 500)]


@pytest.mark.parametrize(
    ("allow_shrink", "existing", "vanished"),
    [
        pytest.param(False, set(), MAX_REQUESTS, id="default"),
        pytest.param(True, set(), len(MANY), id="shrink-allowed, all 404"),
        pytest.param(True, {MANY[7]}, MAX_REQUESTS - 1, id="shrink-allowed, one found"),
    ],
)
def test_only_a_sample_of_many_absent_milestones_is_requested(
    tmp_path: Path, allow_shrink: bool, existing: set[str], vanished: int
) -> None:
    api, landing = ApiById(existing), Landing.begin(tmp_path, mode="full", filters=Filters(), ids=[], now=NOON)
    request_absent(api, Absences(10_000, 0, None, MANY), landing, api.land, allow_shrink=allow_shrink)  # type: ignore[arg-type]
    assert api.requested == MANY[:MAX_REQUESTS]
    assert len(landing.sweep.gone) == len(set(landing.sweep.gone)) == vanished
    assert not landing.archived_file.exists()


def test_results_of_an_interrupted_attempt_are_discarded(tmp_path: Path) -> None:
    api, landing = ApiById(set()), Landing.begin(tmp_path, mode="full", filters=Filters(), ids=[], now=NOON)
    archive = Archive(NOON, 2, MANY[:2], [])
    request_absent(api, Absences(9, 2, archive, [MANY[5]]), landing, api.land, allow_shrink=True)  # type: ignore[arg-type]
    assert (landing.sweep.archived, landing.sweep.gone) == (2, [MANY[5]])
    assert landing.archived_file.exists()
    request_absent(api, Absences(9, 0, None, [MANY[6]]), landing, api.land, allow_shrink=False)  # type: ignore[arg-type]
    assert (landing.sweep.archived, landing.sweep.gone) == (0, [MANY[6]])
    assert not landing.archived_file.exists()


@pytest.mark.parametrize(
    ("length", "places"),
    [(0, []), (3, [0, 1, 2]), (5, [0, 1, 2, 3, 4]), (6, [0, 1, 2, 3, 5]), (41, [0, 10, 20, 30, 40])],
)
def test_evenly_spaced_begins_with_the_first_and_ends_with_the_last(length: int, places: list[int]) -> None:
    assert evenly_spaced([str(item) for item in range(length)], 5) == [str(place) for place in places]


@pytest.mark.parametrize("answers", [True, False], ids=["found by id", "404"])
def test_archived_milestones_are_sampled_and_archived_whatever_the_api_returns(tmp_path: Path, answers: bool) -> None:
    archived = MANY[:100]
    api = ApiById(set(archived) if answers else set())
    landing = Landing.begin(tmp_path, mode="full", filters=Filters(), ids=[], now=NOON)
    absences = Absences(1_000, 100, Archive(NOON, 100, archived, archived))
    request_absent(api, absences, landing, api.land, allow_shrink=False)  # type: ignore[arg-type]
    assert api.requested == evenly_spaced(archived, ARCHIVE_SAMPLE)
    rows = pq.read_table(landing.archived_file).to_pylist()
    assert [row["milestone_id"] for row in rows] == archived
    assert {row["milestone_id"]: row["answered_by_id"] for row in rows} == {
        milestone_id: answers if milestone_id in api.requested else None for milestone_id in archived
    }
    assert (landing.sweep.archived, landing.sweep.gone) == (100, [])


def test_milestones_that_look_archived_for_the_first_time_are_left_absent(tmp_path: Path) -> None:
    api, landing = ApiById(set()), Landing.begin(tmp_path, mode="full", filters=Filters(), ids=[], now=NOON)
    absences = Absences(1_000, 100, Archive(NOON, 100, MANY[:100], []))
    request_absent(api, absences, landing, api.land, allow_shrink=False)  # type: ignore[arg-type]
    assert (api.requested, landing.sweep.archived, landing.sweep.gone) == ([], 0, [])
    assert not landing.archived_file.exists()
