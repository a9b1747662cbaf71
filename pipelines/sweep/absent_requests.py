"""Requests absent milestones by id after a complete full sweep, to decide which are archived and which vanished.

Finding the absent milestones is in `pipelines.warehouse.absences`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.kalshi.scans import Api, Fetched
from pipelines.kalshi.single_requests import by_id
from pipelines.storage.landing import Landing
from pipelines.warehouse.absences import Absences

MAX_REQUESTS = 1_000
"""Requests by id in one full sweep: four minutes at the default pace. Later sweeps request the remaining ones."""

ARCHIVE_SAMPLE = 20
"""Archived milestones that are requested by id, spread evenly over their starts."""

Land = Callable[[Iterable[Fetched]], object]


def request_absent(api: Api, absences: Absences, landing: Landing, land: Land, *, allow_shrink: bool) -> None:
    """Classify absent milestones: writes the archived file of the landing, and `gone` of its sweep.

    Milestones that look archived are marked as archived, whatever the API returns for their ids: at once with
    `allow_shrink`, else if the previous full sweep did not list them either.
    Other milestones that were absent twice are requested by id, and vanished if the API returns 404. Of more than
    MAX_REQUESTS, a random sample is requested; with `allow_shrink`, all have vanished if every response is 404.
    `land` stores the responses. Raises KalshiError.
    """
    sweep = landing.sweep
    # A resumed sweep may have results of its first attempt.
    sweep.gone.clear()
    archive = absences.archive
    archived = [] if archive is None else archive.ids if allow_shrink else archive.twice
    _archive(api, archived, landing, land)
    requested = absences.twice[:MAX_REQUESTS]
    # An id that the API refuses must not stop every full sweep: its milestone stays absent.
    land(by_id(api, requested, not_found=sweep.gone, unanswered=[]))
    if allow_shrink and len(sweep.gone) == len(requested):
        sweep.gone += absences.twice[MAX_REQUESTS:]


def _archive(api: Api, archived: Sequence[str], landing: Landing, land: Land) -> None:
    landing.sweep.archived = len(archived)
    landing.archived_file.unlink(missing_ok=True)
    landing.sweep.checksums.pop(landing.archived_file.name, None)
    if not archived:
        return
    sample = evenly_spaced(archived, ARCHIVE_SAMPLE)
    not_found: list[str] = []
    unanswered: list[str] = []
    land(by_id(api, sample, not_found=not_found, unanswered=unanswered))
    answers = dict.fromkeys(sample, True) | dict.fromkeys(not_found, False)
    for milestone_id in unanswered:
        del answers[milestone_id]
    columns = {
        "milestone_id": pa.array(archived, pa.string()),
        "answered_by_id": pa.array([answers.get(milestone_id) for milestone_id in archived], pa.bool_()),
    }
    pq.write_table(pa.table(columns), landing.archived_file)
    landing.record_checksum(landing.archived_file)


def evenly_spaced(items: Sequence[str], most: int) -> list[str]:
    """At most `most` items (2 or more), evenly spaced from the first to the last."""
    if len(items) <= most:
        return list(items)
    return [items[place * (len(items) - 1) // (most - 1)] for place in range(most)]
