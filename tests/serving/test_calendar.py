"""The calendar, read with icalendar: what is in it, and what a subscribed calendar sees of a change."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import icalendar
import pytest

from pipelines.errors import ExtraMissing, WrongUse
from pipelines.reading.published import open_published
from pipelines.reading.query_errors import QueryFailed
from pipelines.serving import export as export_module
from pipelines.serving.app import build_app
from pipelines.serving.calendar import written
from pipelines.serving.export import export_calendar
from pipelines.serving.routes import CALENDAR
from tests.serving.client import Client, client_of
from tests.support import NOON, Clock, Shell, Shells, milestone, milestone_id

WEEK = NOON + timedelta(days=7)


def parsed(body: bytes) -> Any:
    """The calendar. Untyped, as a property may be of any type in icalendar."""
    return icalendar.Calendar.from_ical(body)


def events_of(body: bytes) -> dict[int, Any]:
    """The events by the number of their milestone."""
    return {int(str(event["uid"]).partition("@")[0][-12:]): event for event in parsed(body).walk("VEVENT")}


def subscribed(get: Client, query: str = "") -> dict[int, Any]:
    response = get(f"/calendar.ics?{query}")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    return events_of(response.content)


def test_an_event_has_what_a_calendar_needs(get: Client) -> None:
    event = subscribed(get)[8]
    assert event["uid"] == f"{milestone_id(8)}@kalshi-milestones"
    assert event["dtstart"].dt == WEEK + timedelta(minutes=8)
    assert "dtend" not in event
    assert (event["summary"], event["status"], event["sequence"]) == ("Game 8", "CONFIRMED", 0)
    assert event["dtstamp"].dt == event["last-modified"].dt
    assert event["dtstamp"].dt.replace(second=0) == NOON
    assert event["categories"].cats == ["Sports", "football_game"]
    lines = str(event["description"]).splitlines()
    assert {"Status: scheduled", "The end is not known.", f"Milestone: {milestone_id(8)}"} < set(lines)


def test_a_known_end_is_the_end(get: Client) -> None:
    assert subscribed(get)[3]["dtend"].dt == datetime(2026, 11, 23, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "count", "has", "lacks"),
    [
        ("", 29, 6, 4),
        ("simulated=true", 30, 4, 99),
        ("type=election", 1, 7, 1),
        ("until=2026-11-30T12:02:00Z", 2, 1, 8),
        ("hours=166", 1, 3, 1),
        ("limit=5", 5, 3, 9),
        ("event=KXGAME-9", 1, 9, 1),
    ],
)
def test_its_rows_are_chosen_by_parameters(query: str, count: int, has: int, lacks: int, get: Client) -> None:
    found = subscribed(get, query)
    assert len(found) == count
    assert has in found
    assert lacks not in found


def test_its_head_says_what_it_is(get: Client) -> None:
    body = get("/calendar.ics?type=a,b;%0AX:1%E2%80%AE&limit=2").content
    head = parsed(body)
    # Escaped as the format wants: commas and semicolons, and the backslashes of our escapes.
    name = rb"NAME:Kalshi milestones: a\,b\;\\nx:1\\u202e"
    assert body.count(b"\r\n" + name + b"\r\n") == body.count(b"\r\nX-WR-CAL" + name + b"\r\n") == 1
    assert head["refresh-interval"].dt == timedelta(minutes=15)
    assert "narrow it" not in head["description"]
    cut = parsed(get("/calendar.ics?limit=2").content)
    assert cut["description"].endswith(" It has the first 2 events only: narrow it with filters.")


def test_the_bytes_depend_on_the_published_file_only(published: Shell, get: Client) -> None:
    later = Clock(published.clock.time + timedelta(days=3))
    with client_of(build_app(published.home, now=later)) as other:
        assert other("/calendar.ics").content == get("/calendar.ics").content


def test_lines_end_and_fold_as_the_format_wants(get: Client) -> None:
    lines = get("/calendar.ics").content.split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert not any(b"\n" in line or b"\r" in line for line in lines)


@pytest.mark.slow
def test_text_of_the_data_cannot_add_properties(shells: Shells, tmp_path: Path) -> None:
    title = "A\r\nSTATUS:CANCELLED\nEND:VEVENT; a, b \\ \x1b[31m\u202e\u2028é"
    shell = shells(tmp_path, [milestone(1, title=title, details={"status": "x\r\nUID:1", "league": "L\nX:1"})])
    shell.sweep()
    shell.stages.publish()
    with client_of(build_app(shell.home, now=shell.clock)) as get:
        (event,) = subscribed(get).values()
    assert event["summary"] == r"A\r\nSTATUS:CANCELLED\nEND:VEVENT; a, b \ \x1b[31m\u202e\u2028é"
    assert (event["status"], event["uid"]) == ("CONFIRMED", f"{milestone_id(1)}@kalshi-milestones")
    assert event["categories"].cats[-1] == r"L\nX:1"


@pytest.mark.slow
def test_the_status_follows_the_milestone(shells: Shells, tmp_path: Path) -> None:
    statuses = ["scheduled", "time-tbd", "postponed", "cancelled", "none that is known"]
    shell = shells(tmp_path, [milestone(number, details={"status": text}) for number, text in enumerate(statuses)])
    shell.sweep()
    shell.stages.publish()
    with client_of(build_app(shell.home, now=shell.clock)) as get:
        found = subscribed(get)
    assert [found[number]["status"] for number in range(5)] == [
        *("CONFIRMED", "TENTATIVE", "TENTATIVE", "CANCELLED", "CONFIRMED")
    ]


@pytest.mark.slow
def test_a_subscribed_calendar_sees_moves_disappearances_and_returns(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path, [milestone(number) for number in range(1, 31)])

    def publish(*, sweeps: int = 1) -> None:
        for _ in range(sweeps):
            shell.clock.forward(hours=1)
            shell.sweep(mode="full")
        shell.stages.publish()

    publish()
    with client_of(build_app(shell.home, now=shell.clock)) as get:
        first = subscribed(get)[1]
        shell.world.reschedule(milestone_id(1), WEEK + timedelta(days=1))
        publish()
        moved = subscribed(get)[1]
        assert moved["uid"] == first["uid"]
        assert moved["dtstart"].dt == WEEK + timedelta(days=1)
        assert (first["sequence"], moved["sequence"]) == (0, 1)
        assert moved["dtstamp"].dt > first["dtstamp"].dt

        row = shell.world.get(milestone_id(1))
        shell.world.remove(milestone_id(1))
        publish(sweeps=2)
        gone = subscribed(get)[1]
        assert (gone["uid"], gone["status"]) == (first["uid"], "CANCELLED")
        assert gone["last-modified"].dt > moved["last-modified"].dt

        shell.world.load([row])
        publish()
        assert subscribed(get)[1]["status"] == "CONFIRMED"

        shell.world.remove(milestone_id(1))
        publish(sweeps=2)
        shell.clock.forward(days=31)
        publish()
        assert 1 not in subscribed(get, "hours=2000")


@pytest.mark.slow
def test_placeholders_are_included_on_request(shells: Shells, tmp_path: Path) -> None:
    rows = [
        milestone(1, start_date="2000-01-01T00:00:00Z"),
        milestone(2),
        milestone(3, start_date="2001-01-01T00:00:00Z"),
    ]
    shell = shells(tmp_path, rows)
    shell.sweep()
    shell.stages.publish()
    with client_of(build_app(shell.home, now=shell.clock)) as get:
        assert set(subscribed(get)) == {2}
        assert set(subscribed(get, "placeholders=true")) == {1, 2}
        assert subscribed(get, "placeholders=true")[1]["status"] == "TENTATIVE"


def test_without_the_extra_json_works_and_the_calendar_names_the_extra(
    published: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "icalendar", None)
    with client_of(build_app(published.home, now=published.clock)) as get:
        assert get.json("/upcoming.json")["items"]
        assert get.error("/calendar.ics", 501) == (
            "a calendar needs the extra serve: run make extras in a checkout, or install the wheel with [serve]"
        )
    with open_published(published.home) as connection, pytest.raises(ExtraMissing):
        export_calendar(connection, None)


def export(published: Shell, query: str | None) -> dict[int, Any]:
    with open_published(published.home) as connection:
        return events_of(export_calendar(connection, query))


def test_an_odd_id_cannot_add_properties() -> None:
    row: dict[str, Any] = dict.fromkeys(
        (
            *("title", "participants", "category_group", "league", "main_event_ticker", "status", "status_group"),
            *("end_date", "vanished_at"),
        )
    )
    row |= {"milestone_id": "1\rX:1\x00\u2028", "type": "game", "start_date": NOON, "modified_at": NOON}
    body = written([row | {"start_is_tentative": False, "moves": 0}], name="n", about="a")
    assert rb"UID:1\\rX:1\\x00\\u2028@kalshi-milestones" in body
    assert b"\x00" not in body


def test_an_export_is_the_calendar_that_is_served(published: Shell, get: Client) -> None:
    with open_published(published.home) as connection:
        assert export_calendar(connection, None) == get("/calendar.ics").content


def test_an_export_is_complete(published: Shell, get: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the served calendar leaves out is in the file."""
    few = [replace(one, default=2) if one.name == "limit" else one for one in CALENDAR.parameters]
    monkeypatch.setattr(export_module, "CALENDAR", replace(CALENDAR, parameters=tuple(few)))
    assert export(published, None) == subscribed(get)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("FROM live_milestones(at_time := '2026-11-23 13:00:00Z') -- a comment", {3}),
        ("SELECT milestone_id, count(*) FROM milestone_events WHERE event_ticker = 'KXGAME-4' GROUP BY 1", {4}),
        ("FROM milestones", set(range(1, 31))),
        ("SELECT 'unknown' AS milestone_id", set()),
    ],
)
def test_an_export_of_a_query_has_its_milestones(query: str, numbers: set[int], published: Shell) -> None:
    assert set(export(published, query)) == numbers


def test_a_query_without_ids_is_one_error(published: Shell) -> None:
    with pytest.raises(WrongUse, match="a calendar needs the column milestone_id: add it to the query"):
        export(published, "SELECT title FROM milestones")
    with pytest.raises(QueryFailed, match="did you mean milestones"):
        export(published, "FROM milestone")
