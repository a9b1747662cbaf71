"""A catalogue in PostgreSQL behaves like one in an SQLite file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.services import postgres
from tests.iceberg.conftest import sweep_and_publish
from tests.iceberg.lake import Lake
from tests.support import Shell, milestone_id

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not list(Path("/usr/lib/postgresql").glob("*/bin/postgres")), reason="needs PostgreSQL: run make test-cluster"
    ),
]


def test_publishes_to_a_catalogue_in_postgres(shell: Shell, tmp_path: Path) -> None:
    with postgres(tmp_path) as url:
        lake = Lake(tmp_path / "lake", url)
        first = lake.publish(shell.home)
        assert first["milestones"].written == first["milestones"].rows == 41
        assert not any(change.is_new_snapshot for change in lake.publish(shell.home).values())

        shell.world.edit_title(milestone_id(7), "Another title")
        sweep_and_publish(shell)
        # The range of the milestone, of ten.
        assert lake.publish(shell.home)["milestones"].written == 10
        assert lake.snapshots()["milestones"] == 2
        assert lake.rows("milestones", "SELECT count(*) FROM rows WHERE title = 'Another title'") == [(1,)]
