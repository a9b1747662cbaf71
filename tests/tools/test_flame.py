"""Samples of a profile by stage."""

from __future__ import annotations

import pytest

from bench.flame import OTHER, stage_of, summed

RUN = "process 1:milestones ingest;run (pipelines/cli/run_job.py:10);execute (dagster/_core/execution/api.py:20)"


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ("flatten (pipelines/flatten/tables.py:5)", "flattening"),
        ("load (pipelines/warehouse/load.py:9);sync (pipelines/storage/durable.py:3)", "loading"),
        ("run (pipelines/warehouse/audits.py:9)", "audits"),
        ("publish (pipelines/publish/snapshot.py:7);write_table (pyarrow/parquet/core.py:1)", "publishing"),
        (
            "published (pipelines/orchestration/assets.py:7);_find_and_load (<frozen importlib._bootstrap>:1)",
            "importing",
        ),
        ("store_event (dagster/_core/storage/event_log/sqlite.py:7);commit (sqlalchemy/engine/base.py:1)", "Dagster"),
    ],
)
def test_the_innermost_frame_of_a_stage_counts(frames: str, expected: str) -> None:
    assert stage_of(f"{RUN};{frames}").startswith(expected)


def test_samples_are_summed() -> None:
    samples = summed(
        [f"{RUN};a (pipelines/flatten/a.py:1) 3", f"{RUN};b (pipelines/flatten/b.py:2) 4", "bare (x.py:1) 2"]
    )
    assert samples == {"flattening": 7, OTHER: 2}
