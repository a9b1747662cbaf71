from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

import sandbox
from sandbox.records import find_milestones, read_records
from tests.sandbox.conftest import NOW
from tests.sandbox.test_world import body


def _write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_milestones_are_found_at_any_depth_in_order() -> None:
    document = b'{"x":{"y":[1,%b,[[%b]]]},"milestone":%b}' % (body("b"), body("a"), body("c"))
    assert list(find_milestones(document)) == [body("b"), body("a"), body("c")]
    assert list(find_milestones(b" " + body("a") + b"\n")) == [body("a")]
    assert list(find_milestones(b'"text"')) == []


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


def _found_by_hand(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        if {"id", "type", "primary_event_tickers"} <= value.keys():
            return {value["id"]: value}
        value = list(value.values())
    found: dict[str, Any] = {}
    for item in value if isinstance(value, list) else []:
        found |= _found_by_hand(item)
    return found


def test_every_recorded_milestone_is_served(payloads: Path, session: requests.Session) -> None:
    recorded: dict[str, Any] = {}
    for path in sorted(payloads.glob("*.json")):
        recorded |= _found_by_hand(json.loads(path.read_bytes()))
    assert len(recorded) >= 7
    app = sandbox.build(records=payloads, now=lambda: NOW)
    assert len(app.state.world) == len(recorded)
    with sandbox.running(app) as server:
        page = session.get(f"{server.base_url}/milestones", params={"limit": 500}).json()
        assert {row["id"]: row for row in page["milestones"]} == recorded
        for name, row in recorded.items():
            assert session.get(f"{server.base_url}/milestones/{name}").json() == {"milestone": row}
    assert all(note.endswith("passed over") for note in app.state.notes)
