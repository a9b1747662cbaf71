"""The lake: absent, empty, ahead of the home, and out of reach."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pipelines.doctor.lake import check_lake
from pipelines.publish.lake import POINTER, Pointer
from pipelines.storage.lake import Lake
from tests.lakes import BOTH, Server
from tests.support import NOON


def test_without_a_lake_there_is_nothing_to_check() -> None:
    assert list(check_lake({})) == []


@BOTH
def test_a_lake_that_answers(lake: Lake, s3: Server, tmp_path: Path) -> None:
    environment = {"MILESTONES_LAKE": str(lake), "MILESTONES_HOME": str(tmp_path / "home")} | s3.environment
    (empty,) = check_lake(environment)
    assert (empty.level, empty.text) == ("ok", f"{lake} answers; nothing is published there yet")

    lake.write(POINTER, msgspec.json.encode(Pointer("000004-20261123T120000Z", "0" * 64, NOON, None)))
    (published,) = check_lake(environment)
    assert published.text == f"{lake} answers; the newest snapshot is 000004-20261123T120000Z"

    (tmp_path / "home" / "raw" / "000001-20261123T120000Z").mkdir(parents=True)
    (ahead,) = check_lake(environment)
    assert ahead.level == "error"
    assert ahead.text.startswith(f"{lake} has the snapshot 000004-20261123T120000Z, which ")


def test_a_lake_that_is_not_there(tmp_path: Path) -> None:
    (missing,) = check_lake({"MILESTONES_LAKE": str(tmp_path / "unmounted")})
    assert (missing.level, missing.text.startswith("there is no folder ")) == ("error", True)
