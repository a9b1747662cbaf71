"""Absences: what a full sweep did not list, and whether it looks archived."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.warehouse.absences import MIN_ARCHIVED, Absences, find_absences
from tests.support import NOON, Shell, Shells, milestone, milestone_id

COUNT = 100
"""Milestones, one a day; the first starts 100 days before NOON."""


@pytest.fixture(scope="module")
def shell(shells: Shells, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    rows = [
        milestone(
            number,
            start_date=f"{NOON - timedelta(days=COUNT - number):%Y-%m-%dT%H:%M:%SZ}",
            end_date=None,
            last_updated_ts="2026-01-01T00:00:00Z",
        )
        for number in range(COUNT)
    ]
    shell = shells(tmp_path_factory.mktemp("absences"), rows)
    shell.sweep(mode="full")
    return shell


def absences(shell: Shell, absent: list[int], tmp_path: Path) -> Absences:
    """The absences of a full sweep that lists all milestones but these."""
    listed = [milestone_id(number) for number in range(COUNT) if number not in absent]
    file = tmp_path / "absent.parquet"
    with shell.stages.warehouse.reading() as connection:
        found = find_absences(connection, [pa.array(listed[:50]), pa.array(listed[50:])], file)
    assert pq.read_table(file)["milestone_id"].to_pylist() == sorted(milestone_id(number) for number in absent)
    return found


def test_a_complete_list_has_no_absences(shell: Shell, tmp_path: Path) -> None:
    assert absences(shell, [], tmp_path) == Absences(expected=COUNT, absent=0)


def test_scattered_absences_do_not_look_archived(shell: Shell, tmp_path: Path) -> None:
    found = absences(shell, list(range(0, COUNT, 3)), tmp_path)
    assert (found.expected, found.absent, found.archive, found.twice) == (COUNT, 34, None, [])


def test_the_oldest_milestones_look_archived(shell: Shell, tmp_path: Path) -> None:
    oldest = list(range(MIN_ARCHIVED + 9))
    found = absences(shell, [*oldest, COUNT - 1], tmp_path)
    assert found.absent == len(oldest) + 1
    assert found.archive is not None
    assert found.archive.ids == [milestone_id(number) for number in oldest]
    assert found.archive.twice == []
    cutoff = NOON - timedelta(days=COUNT - len(oldest))
    assert found.archive.before == cutoff.replace(hour=0)
    assert str(found.archive).startswith(f"{len(oldest)} of the {len(oldest) + 1} absent milestones start before ")


def test_few_of_the_oldest_do_not_look_archived(shell: Shell, tmp_path: Path) -> None:
    assert absences(shell, list(range(MIN_ARCHIVED - 1)), tmp_path).archive is None
