"""Labels and values in the table of changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from board.pages.changes_table import change_label, format_value
from board.queries.changes import Change
from board.theme import ViewSettings
from board.times import Zone

NEW_YORK = ViewSettings(is_dark=False, zone=Zone.named("America/New_York"), in_utc=False)
IN_UTC = replace(NEW_YORK, in_utc=True)
TIME = "2026-11-25T14:05:06.5Z"


def change(kind: str, field: str, old: str | None = None, new: str | None = None) -> Change:
    return Change("m", datetime(2026, 11, 25, tzinfo=UTC), kind, field, old, new, "Sports", "game", "Game")


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (change("gone or back", "vanished_at", None, TIME), "gone"),
        (change("gone or back", "vanished_at", TIME, None), "back"),
        (change("start", "start_date", TIME, TIME), "start"),
        (change("status", "details.status", "a", "b"), "status"),
        (change("other", "details.venue", "a", "b"), "details.venue"),
    ],
    ids=["gone", "back", "start", "status", "other"],
)
def test_labels_of_changes(found: Change, word: str) -> None:
    assert change_label(found) == word


@pytest.mark.parametrize(
    ("kind", "value", "view", "words"),
    [
        ("start", TIME, NEW_YORK, "Wed 25 Nov 2026 09:05"),
        ("gone or back", TIME, IN_UTC, "Wed 25 Nov 2026 14:05"),
        ("end", None, IN_UTC, None),
        ("end", "tomorrow", IN_UTC, "tomorrow"),
        ("end", "2026-11-25", IN_UTC, "2026-11-25"),
        ("title", TIME, IN_UTC, TIME),
    ],
    ids=["start", "gone", "nothing", "no time", "no zone", "title"],
)
def test_times_are_formatted_in_the_chosen_zone(
    kind: str, value: str | None, view: ViewSettings, words: str | None
) -> None:
    assert format_value(change(kind, "field"), value, view) == words
