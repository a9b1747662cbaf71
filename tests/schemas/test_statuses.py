"""The table of statuses is consistent, and groups every status that was ever recorded."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest

import schemas
from schemas.statuses import STATUS_GROUPS, Spelling, fold, leaves_start_open, spellings, status_group
from tests.records.recorded import recorded_cricket

FILE = Path(schemas.__file__).with_name("status_groups.csv")


def test_the_table_is_consistent() -> None:
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["spelling", "match", "status_group", "start_is_tentative", "reason"]
    for row in rows:
        assert all(value == value.strip() != "" for value in row.values()), row
        assert row["match"] in ("whole", "start")
        assert row["status_group"] in STATUS_GROUPS
        assert row["status_group"] != "unknown", "what is not listed is unknown"
        assert row["start_is_tentative"] in ("yes", "no")
        # Nothing in it that a regular expression would read as more than itself.
        assert re.fullmatch("[a-z]+( [a-z]+)*", fold(row["spelling"])), row
    assert {row["status_group"] for row in rows} == set(STATUS_GROUPS) - {"unknown"}
    assert len(spellings()) == len(rows)


@pytest.mark.parametrize("spelling", spellings(), ids=lambda one: one.text)
def test_no_spelling_is_listed_twice(spelling: Spelling) -> None:
    matching = [other for other in spellings() if re.fullmatch(other.pattern, spelling.text)]
    assert matching == [spelling]
    assert status_group(spelling.text) == spelling.group


@pytest.mark.parametrize(
    ("status", "group", "is_tentative"),
    [
        ("scheduled", "scheduled", False),
        ("  SCHEDULED\n", "scheduled", False),
        ("created", "scheduled", False),
        ("not_started", "scheduled", False),
        ("Not Started", "scheduled", False),
        ("time-tbd", "scheduled", True),
        ("TIME_TBD", "scheduled", True),
        ("live", "live", False),
        ("inprogress", "live", False),
        ("in_progress", "live", False),
        ("In  Progress", "live", False),
        ("closed", "ended", False),
        ("complete", "ended", False),
        ("ended", "ended", False),
        ("finished", "ended", False),
        ("final", "ended", False),
        ("halftime", "live", False),
        ("cancelled", "off", False),
        ("postponed", "off", True),
        ("Match Scheduled", "scheduled", False),
        ("Match Scheduled - Pre Match Service", "scheduled", False),
        ("Toss Pending   (Bet Delay:5 seconds)", "scheduled", False),
        ("Toss Delayed due to bad weather", "scheduled", True),
        ("Match in Progress - Match Stable (Bet Delay:4 seconds)", "live", False),
        ("Event Closed", "ended", False),
        ("Event Closed   (MaxOv:0) (Bet Delay:0 seconds)", "ended", False),
        ("Event Closed(MaxOv:0)", "ended", False),
        ("event\tclosed\n(two\nlines)", "ended", False),
        ("P", "unknown", False),
        ("Event Closedown", "unknown", False),
        ("Event", "unknown", False),
        ("closed early", "unknown", False),
        ("not scheduled", "unknown", False),
        ("?", "unknown", False),
        ("", None, False),
        (" - ", None, False),
        (None, None, False),
    ],
)
def test_groups(status: str | None, group: str | None, is_tentative: bool) -> None:
    assert status_group(status) == group
    assert leaves_start_open(status) is is_tentative


def test_recorded_cricket(payloads: Path) -> None:
    statuses = [json.loads(record)["details"]["status"] for record in recorded_cricket(payloads)]
    assert Counter(map(status_group, statuses)) == {"ended": 3, "scheduled": 2, "live": 1}
