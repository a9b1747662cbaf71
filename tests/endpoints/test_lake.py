"""Refreshes of other endpoints with a lake: pages, snapshot, retention, and another home that continues."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import LakeUnusable
from pipelines.publish.lake import read_pointer, verify_lake
from pipelines.publish.take_up import take_up
from pipelines.storage.home import Home
from pipelines.storage.lake import Lake
from pipelines.storage.landing import Landing
from pipelines.storage.retention import Retention
from schemas.targets import TARGETS
from tests.endpoints.conftest import EndpointHome
from tests.endpoints.test_refresh import target
from tests.support import milestone, team_id

pytestmark = pytest.mark.slow

MakeHome = Callable[..., EndpointHome]


def files_below(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_a_refresh_is_copied_to_the_lake(make_home: MakeHome, lake: Lake, tmp_path: Path) -> None:
    home = make_home(milestone(1), milestone(2))
    home.api.records["targets"] = [target(1), target(2)]
    row = home.run(TARGETS, lake=lake)

    assert lake.sizes("raw/targets").keys() == files_below(home.home.raw_of("targets"))
    pointer = read_pointer(lake)
    assert pointer is not None
    assert pointer.snapshot == home.home.latest_snapshot.readlink().name
    assert verify_lake(lake).differences == []

    second = Home(tmp_path / "second")
    second.preflight()
    take_up(second, lake, now=home.clock())
    newest = Landing.newest(second.raw_of("targets"))
    assert newest is not None
    assert (newest.sweep.sweep_id, newest.sweep.state) == (row.sweep_id, "loaded")


def test_retention_of_a_day(make_home: MakeHome, lake: Lake) -> None:
    home = make_home(milestone(1))
    home.api.records["targets"] = [target(1)]
    home.run(TARGETS, lake=lake)
    home.clock.forward(days=40)
    home.api.records["targets"] = [target(1, last_updated_ts="2026-11-25T10:00:00Z")]
    home.run(TARGETS, lake=lake, retention=Retention(sweeps=1, sweep_age=timedelta(days=30)))

    assert len(lake.folders("raw/targets")) == 1
    assert lake.folders("raw/targets") == [folder.name for folder in home.home.raw_of("targets").iterdir()]


def test_a_lake_that_fails_loses_no_page(make_home: MakeHome, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make_home(milestone(1))
    home.api.records["targets"] = [target(1)]
    upload = Lake.upload

    def fail(self: Lake, name: str, file: Path) -> str:
        if name.startswith("page"):
            raise LakeUnusable("cannot reach the lake")
        return upload(self, name, file)

    with monkeypatch.context() as broken:
        broken.setattr(Lake, "upload", fail)
        with pytest.raises(LakeUnusable):
            home.run(TARGETS, lake=lake)
    requests: list[Any] = list(home.api.requests)
    home.api.records["targets"] = []
    home.refresh(TARGETS, lake=lake).run(home.client)

    assert home.rows("SELECT target_id FROM structured_targets") == [(team_id(1),)]
    assert len(requests) == 1
    assert lake.sizes("raw/targets").keys() == files_below(home.home.raw_of("targets"))
