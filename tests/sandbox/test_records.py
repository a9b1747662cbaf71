from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

import sandbox
from sandbox.records import find_objects, read_records
from sandbox.siblings.event_store import EventQuery
from sandbox.siblings.target_store import TargetQuery
from tests.sandbox.conftest import NOW
from tests.sandbox.test_world import body


def _write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_milestones_are_found_at_any_depth_in_order() -> None:
    document = b'{"x":{"y":[1,%b,[[%b]]]},"milestone":%b}' % (body("b"), body("a"), body("c"))
    assert list(find_objects(document)) == [("milestone", body(name)) for name in "bac"]
    assert list(find_objects(b" " + body("a") + b"\n")) == [("milestone", body("a"))]
    assert list(find_objects(b'"text"')) == []


def test_values_keep_their_bytes_without_white_space(tmp_path: Path) -> None:
    exact = body("a").replace(
        b'"details":{}', b'"details":{"x":1.50,"y":1e2,"z":"\\u0041 b","big":12345678901234567890123}'
    )
    found = read_records(_write(tmp_path, {"a.json": exact.replace(b",", b" ,\n  ")}))
    assert found.rows == (exact,)


def test_partial_objects_are_not_milestones(tmp_path: Path) -> None:
    found = read_records(
        _write(tmp_path, {"a.json": b'[{"id":"a","type":"t"},{"type":"t","primary_event_tickers":[]}]'})
    )
    assert found.rows == ()
    assert found.notes == ()


def test_of_different_recordings_the_last_file_counts(tmp_path: Path) -> None:
    old, new = body("a", title="old"), body("a", title="new")
    spaced = new.replace(b",", b" , ")
    found = read_records(_write(tmp_path, {"c.json": new, "a.json": old, "b.json": old, "d.json": spaced}))
    assert found.rows == (new,)
    assert found.notes == ("c.json: milestone a differs from a.json's, which it replaces",)


def test_skipped_files_and_rows_are_noted(tmp_path: Path) -> None:
    files = {
        "a.json": b"{",
        "b.json": b"",
        "c.json": b'{"x":"\xff"}',
        "d.txt": b"prose",
        "e.json": b'{"id":"e","type":"t","primary_event_tickers":[]}',
        "f.json": b'{"id":"f","type":"t","primary_event_tickers":[],"start_date":"soon"}',
        "g.json": body("g"),
    }
    (tmp_path / "folder.json").mkdir()
    found = read_records(_write(tmp_path, files))
    assert found.rows == (body("g"),)
    assert [note.partition(":")[0] for note in found.notes] == [
        "a.json",
        "b.json",
        "c.json",
        "e.json",
        "f.json",
    ]
    assert "'soon'" in found.notes[4]


def test_a_folder_without_milestones_is_refused(tmp_path: Path) -> None:
    with pytest.raises(sandbox.NoRecordsError, match="no milestone in the JSON files of"):
        sandbox.build(records=tmp_path)


MARKS = {
    "primary_event_tickers": "id",
    "milestone_id": "milestone_id",
    "event_ticker": "event_ticker",
    "name": "id",
}
"""The key that distinguishes an object from the others, and the key of its name."""

PATHS = {
    "primary_event_tickers": ("/milestones", "milestone"),
    "milestone_id": ("/live_data/milestone", "live_data"),
    "event_ticker": ("/events", "event"),
    "name": ("/structured_targets", "structured_target"),
}


def _found_by_hand(value: Any) -> dict[tuple[str, str], Any]:
    """The recorded objects by mark and name."""
    if isinstance(value, dict):
        for mark, name in MARKS.items():
            if mark in value and name in value and ("type" in value or "series_ticker" in value):
                return {(mark, value[name]): value}
        value = list(value.values())
    found: dict[tuple[str, str], Any] = {}
    for item in value if isinstance(value, list) else []:
        found |= _found_by_hand(item)
    return found


def test_every_recorded_object_is_served(payloads: Path, session: requests.Session) -> None:
    recorded: dict[tuple[str, str], Any] = {}
    for path in sorted(payloads.glob("*.json")):
        recorded |= _found_by_hand(json.loads(path.read_bytes()))
    kinds = collections.Counter(mark for mark, _ in recorded)
    assert kinds["primary_event_tickers"] >= 7
    assert kinds["name"] == 5
    assert kinds["event_ticker"] >= 6
    assert kinds["milestone_id"] >= 2
    app = sandbox.build(records=payloads, now=lambda: NOW)
    assert len(app.state.world) == kinds["primary_event_tickers"]
    with sandbox.running(app) as server:
        page = session.get(f"{server.base_url}/milestones", params={"limit": 500}).json()
        assert len(page["milestones"]) == kinds["primary_event_tickers"]
        for (mark, name), expected in recorded.items():
            endpoint, field = PATHS[mark]
            assert session.get(f"{server.base_url}{endpoint}/{name}").json()[field] == expected
    assert all("passed over" in note or note.startswith("golden_events_list") for note in app.state.notes)


def test_recorded_siblings_are_listed_and_can_be_changed(tmp_path: Path) -> None:
    game = body("m", details={"home_team_id": "known"}, related_event_tickers=["KX-1"], title="A at B")
    files = {
        "a.json": game,
        "b.json": b'{"structured_targets":[{"id":"other","type":"x_team","name":"Other","rank":1.50}]}',
        "c.json": b'{"events":[{"event_ticker":"KX-1","series_ticker":"KX","title":"One"},'
        b'{"event_ticker":"KX-2","series_ticker":"KXTWO","title":"Two","last_updated_ts":"2026-01-01T00:00:00Z"}]}',
        "d.json": b'{"live_datas":[{"milestone_id":"m","type":"t","details":{"status":"P"}}]}',
    }
    world = sandbox.build(records=_write(tmp_path, files), now=lambda: NOW).state.world
    siblings = world.siblings
    assert siblings.targets.ids() == ["known", "other"]
    assert siblings.targets.page(TargetQuery(page_size=5, type="x_team")).next_position is None
    assert b'"rank":1.50' in world.rename_target("other", "New").after
    titles = [msgspec.json.decode(one)["title"] for one in siblings.events.page(EventQuery(limit=5)).bodies]
    assert titles == ["One", "Two"]
    first = siblings.events.page(EventQuery(limit=1))
    assert siblings.events.page(EventQuery(limit=1, after=first.next_position)).next_position is None
    assert siblings.events.page(EventQuery(limit=1, after=(0, "KX-2"))).bodies == []
    of_series = siblings.events.page(EventQuery(limit=5, series_ticker="KXTWO"))
    assert [msgspec.json.decode(one)["event_ticker"] for one in of_series.bodies] == ["KX-2"]
    newer = EventQuery(limit=5, updated_after_micros=1_767_225_600_000_000)
    assert siblings.events.page(newer).bodies == []
    world.retitle_event("KX-2", "Three")
    assert [msgspec.json.decode(one)["title"] for one in siblings.events.page(newer).bodies] == ["Three"]
    assert siblings.live_datas.find(["m", "zz"]) == [b'{"milestone_id":"m","type":"t","details":{"status":"P"}}']
