from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from sandbox.siblings.store import UnknownNameError
from sandbox.world import World
from tests.sandbox.conftest import NOW
from tests.sandbox.test_world import body


def test_live_data_move_with_the_world_s_clock(thousand: tuple[bytes, ...]) -> None:
    time = NOW
    world = World(thousand, now=lambda: time)
    live_datas = world.siblings.live_datas
    rows = [msgspec.json.decode(world.get(one)) for one in world.ids(NOW + timedelta(hours=2))]
    game = next(one["id"] for one in rows if one["type"] == "basketball_game")
    start = next(one["start_date"] for one in rows if one["id"] == game)
    statuses = []
    for hours in (-1, 1, 30):
        time = msgspec.convert(start, type(NOW)) + timedelta(hours=hours)
        statuses.append(msgspec.json.decode(live_datas.get(game))["details"]["widget_status"])
    assert statuses == ["none", "live", "finished"]


def test_milestones_without_live_data_are_left_out() -> None:
    rows = [
        body("1", type="basketball_game"),
        body("2", type="one_off_milestone"),
        body("3", 9_999_999_999, type="basketball_game"),
        body("4", type="mma_match"),
    ]
    live_datas = World(rows, now=lambda: NOW).siblings.live_datas
    found = [msgspec.json.decode(one)["milestone_id"] for one in live_datas.find(["4", "zz", "3", "2", "1", "4"])]
    assert found == ["4", "1"]
    for name in ("2", "3", "zz"):
        with pytest.raises(UnknownNameError):
            live_datas.get(name)
