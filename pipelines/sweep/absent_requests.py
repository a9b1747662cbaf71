"""Requests by id for what a complete full sweep did not list: which milestones are archived, and which are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.kalshi.scans import Api, Fetched
from pipelines.kalshi.single_requests import by_id
from pipelines.storage.landing import Landing
from pipelines.warehouse.absences import Absences

MAX_QUESTIONS = 1_000
"""By id in one full sweep: four minutes at the usual pace. The next sweep asks for others of those that remain."""

ARCHIVE_SAMPLE = 20
"""Archived milestones that are requested by id, spread evenly over their starts."""

Land = Callable[[Iterable[Fetched]], object]


def ask_for_absent(api: Api, absences: Absences, landing: Landing, land: Land, *, allow_shrink: bool) -> None:
    """Decide what became of absent milestones: writes the landing's archived file and its sweep's `gone`.

    Milestones that look archived are archived, whether the API answers for their ids or not: at once with
    `allow_shrink`, else when the full sweep before did not list them either.
    Of the others, those absent twice are requested by id, and gone where the API answers 404. Are there more than
    MAX_QUESTIONS, a random choice is requested; with `allow_shrink`, and where every answer is 404, all are gone.
    `land` stores what is fetched. Raises KalshiError.
    """
    sweep = landing.sweep
    # An interrupted sweep may have begun to ask.
    sweep.gone.clear()
    archive = absences.archive
    archived = [] if archive is None else archive.ids if allow_shrink else archive.twice
    _archive(api, archived, landing, land)
    asked = absences.twice[:MAX_QUESTIONS]
    # One odd id must not stop every full sweep: it stays absent.
    land(by_id(api, asked, not_found=sweep.gone, unanswered=[]))
    if allow_shrink and len(sweep.gone) == len(asked):
        sweep.gone += absences.twice[MAX_QUESTIONS:]


def _archive(api: Api, archived: Sequence[str], landing: Landing, land: Land) -> None:
    landing.sweep.archived = len(archived)
    landing.archived_file.unlink(missing_ok=True)
    landing.sweep.checksums.pop(landing.archived_file.name, None)
    if not archived:
        return
    sample = spread(archived, ARCHIVE_SAMPLE)
    not_found: list[str] = []
    unanswered: list[str] = []
    land(by_id(api, sample, not_found=not_found, unanswered=unanswered))
    answers = dict.fromkeys(sample, True) | dict.fromkeys(not_found, False)
    for one in unanswered:
        del answers[one]
    columns = {
        "milestone_id": pa.array(archived, pa.string()),
        "answered_by_id": pa.array([answers.get(one) for one in archived], pa.bool_()),
    }
    pq.write_table(pa.table(columns), landing.archived_file)
    landing.record_checksum(landing.archived_file)


def spread(items: Sequence[str], most: int) -> list[str]:
    """At most so many items, evenly spread from the first to the last."""
    if len(items) <= most:
        return list(items)
    return [items[place * (len(items) - 1) // (most - 1)] for place in range(most)]
