"""Helping processes: what they make counts once it was taken over, and none that dies holds anybody up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.staging.files import Staging
from pipelines.staging.stage_records import DecodingAhead, stage_records
from pipelines.staging.stage_tables import ROWS_PER_PIECE, Feeder, helpers_for, stage_log, stage_tables
from pipelines.staging.worker import END, Helper, HelperFailed
from pipelines.storage.landing import Filters, Landing, Page
from schemas.tables import EVIDENCE, FLAT_TABLES, LATEST, MILESTONE_CHANGES, RECORDS
from tests.staging.test_stage_tables import SWEEP, latest
from tests.support import NOON, milestone, page_body

pytestmark = pytest.mark.slow

PAGES = 12
PATIENCE_SECONDS = 60
"""Only a failure takes it."""


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    found = Staging(tmp_path / "staging" / SWEEP)
    found.clear()
    return found


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    """Twelve landed pages of two milestones, one of them refused."""
    found = Landing.begin(tmp_path / "raw", mode="full", filters=Filters(), ids=[], now=NOON)
    for number in range(1, PAGES + 1):
        rows = [milestone(2 * number), milestone(2 * number + 1, title=7 if number == 5 else "fine")]
        found.land(Page(number, "/milestones?limit=500", None, None, NOON, len(rows), page_body(rows)))
    return found


def rows_in(files: list[str]) -> list[str]:
    """All rows of all files, in no order."""
    return sorted(repr(row) for file in files for row in pq.ParquetFile(file).read().to_pylist())


def tell(ahead: DecodingAhead, landing: Landing, numbers: Iterator[int] | range) -> None:
    for number in numbers:
        ahead.page(landing.sweep, landing.page(number))


def pid_of(helper: Helper) -> int:
    return helper._process.pid


# The helper itself


def test_two_helpers_of_one_process_do_not_share_a_folder(staging: Staging) -> None:
    arguments = ("pipelines.staging.stage_tables", staging.folder, "sweep", SWEEP)
    with Helper(*arguments) as one, Helper(*arguments) as other:
        assert one.folder != other.folder
        assert one.folder.exists()
        assert other.folder.exists()


def test_one_that_is_stopped_leaves_nothing(staging: Staging) -> None:
    with Helper("pipelines.staging.stage_tables", staging.folder, "sweep", SWEEP) as helper:
        assert helper.folder.exists()
    assert list(staging.folder.iterdir()) == []


def test_one_that_fails_says_how(staging: Staging) -> None:
    helper = Helper("pipelines.staging.stage_tables", staging.folder, "no such kind", SWEEP)
    with helper, pytest.raises(HelperFailed, match=r"ended with 1: .+"):
        helper.result()


@pytest.mark.parametrize(
    ("said", "status"),
    [pytest.param(b"\n" + END, 0, id="all was said"), pytest.param(b"", 1, id="its feeder has died")],
)
def test_what_is_made_for_a_dead_feeder_is_thrown_away(
    said: bytes, status: int, landing: Landing, tmp_path: Path
) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    command = [
        sys.executable,
        "-m",
        "pipelines.staging.stage_records",
        str(folder),
        str(landing.folder),
        landing.sweep.sweep_id,
    ]
    ended = subprocess.run(command, input=b"1\n2\n" + said, capture_output=True, check=False)
    assert ended.returncode == status
    assert folder.exists() is (status == 0)


# Decoding ahead


def test_decoded_ahead_is_what_is_decoded_afterwards(staging: Staging, landing: Landing, tmp_path: Path) -> None:
    with DecodingAhead(staging, landing) as ahead:
        tell(ahead, landing, range(1, PAGES + 1))
        decoded = ahead.finish()
    afterwards = Staging(tmp_path / "afterwards")
    assert decoded == stage_records(afterwards, landing.sweep.sweep_id, landing.pages())
    assert decoded is not None
    assert (decoded.received, decoded.quarantined) == (2 * PAGES, 1)
    assert rows_in(staging.files(RECORDS)) == rows_in(afterwards.files(RECORDS))
    assert rows_in(staging.refused_files) == rows_in(afterwards.refused_files)
    assert not list(staging.folder.glob("worker-*"))


def test_few_pages_start_no_helper(staging: Staging, landing: Landing) -> None:
    with DecodingAhead(staging, landing) as ahead:
        tell(ahead, landing, range(1, 4))
        assert ahead.finish() is None
    assert list(staging.folder.iterdir()) == []


def test_pages_that_were_landed_before_are_decoded_with_the_next_one(staging: Staging, landing: Landing) -> None:
    with DecodingAhead(staging, landing) as ahead:
        tell(ahead, landing, range(PAGES, PAGES + 1))
        decoded = ahead.finish()
    assert decoded is not None
    assert decoded.received == 2 * PAGES


def test_a_helper_that_dies_costs_only_the_time(staging: Staging, landing: Landing) -> None:
    with DecodingAhead(staging, landing) as ahead:
        tell(ahead, landing, range(1, PAGES))
        assert ahead._helper is not None
        os.kill(pid_of(ahead._helper), signal.SIGKILL)
        ahead._helper._process.wait()
        tell(ahead, landing, range(PAGES, PAGES + 1))
        assert ahead.finish() is None
    assert list(staging.folder.iterdir()) == []


# Flattening on several cores


@pytest.mark.parametrize(
    ("rows", "cores", "helpers"),
    [(0, 2, 0), (39_999, 8, 0), (40_000, 1, 0), (40_000, 2, 1), (1_000_000, 4, 3), (1_000_000, 64, 3)],
    ids=str,
)
def test_helpers_where_there_is_work_and_there_are_cores(rows: int, cores: int, helpers: int) -> None:
    assert helpers_for(rows, cores=cores) == helpers


@pytest.mark.parametrize(("gibibytes", "helpers"), [(0.25, 0), (0.5, 0), (1, 1), (1.25, 2), (2, 3), (64, 3)])
def test_fewer_helpers_where_memory_is_limited(gibibytes: float, helpers: int) -> None:
    assert helpers_for(1_000_000, cores=64, memory=int(gibibytes * 2**30)) == helpers


BATCHES = [milestone(number, type="" if number == 7 else "football_game") for number in range(1, 41)]
STAGED = (LATEST, *FLAT_TABLES, EVIDENCE, MILESTONE_CHANGES)


@pytest.mark.parametrize("helpers", [1, 3])
def test_tables_are_the_same_whoever_made_them(helpers: int, staging: Staging, tmp_path: Path) -> None:
    alone = Staging(tmp_path / "alone")
    alone.clear()
    expected = stage_tables(alone, SWEEP, latest(*BATCHES))
    assert stage_tables(staging, SWEEP, latest(*BATCHES), helpers=helpers) == expected
    assert expected.refused == {"new": 1}
    for table in STAGED:
        assert rows_in(staging.files(table)) == rows_in(alone.files(table)), table.name
    assert rows_in([str(staging.refused_by_rules), *more_of(staging)]) == rows_in([str(alone.refused_by_rules)])
    # Helped it was: each that had something to do left its part.
    assert 2 <= len(staging.files(LATEST)) <= 1 + helpers
    assert not list(staging.folder.glob("worker-*"))


def more_of(staging: Staging) -> list[str]:
    return list(map(str, staging.folder.glob(f"{staging.refused_by_rules.stem}-part*")))


def test_the_log_is_the_same_whoever_read_it(staging: Staging, tmp_path: Path) -> None:
    def batches(rows: list[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
        return (batch.select(LATEST.arrow_schema.names) for batch in latest(*rows))

    alone = Staging(tmp_path / "alone")
    stage_log(alone, batches(BATCHES[:20]), batches(BATCHES[20:]))
    stage_log(staging, batches(BATCHES[:20]), batches(BATCHES[20:]), helpers=2)
    for table in STAGED:
        assert rows_in(staging.files(table)) == rows_in(alone.files(table)), table.name


def test_staging_again_leaves_no_part_of_the_first_time(staging: Staging) -> None:
    stage_tables(staging, SWEEP, latest(*BATCHES), helpers=2)
    stage_tables(staging, SWEEP, latest(BATCHES[0]))
    assert len(rows_in(staging.files(LATEST))) == 1


def test_a_helper_that_dies_while_it_is_handed_a_batch_ends_the_station(staging: Staging) -> None:
    """Stopped, it reads nothing: one batch fills its pipe, it is given no other, and then it is killed."""
    large = pa.record_batch({"x": ["y" * 1_000_000]})
    faults: list[BaseException] = []

    def work() -> None:
        try:
            with Feeder(staging, "sweep", SWEEP) as feeder:
                pid = pid_of(feeder._helper)
                os.kill(pid, signal.SIGSTOP)
                assert feeder.offer(large)
                # Taken at once by the thread that writes, which is never done with it.
                while not feeder._batches.empty():
                    pass
                assert not feeder.offer(large)
                threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
                feeder.finish()
        except BaseException as fault:  # noqa: BLE001 - looked at below
            faults.append(fault)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive(), "it waits for a helper that is dead"
    (fault,) = faults
    assert isinstance(fault, HelperFailed)
    assert "ended with -9" in str(fault)


def test_a_batch_that_cannot_be_written_is_not_left_out_in_silence(staging: Staging) -> None:
    with Feeder(staging, "sweep", SWEEP) as feeder:
        assert feeder.offer(pa.record_batch({"x": [1]}))
        while not feeder.offer(pa.record_batch({"x": [1], "another": ["schema"]})):
            pass
        with pytest.raises(HelperFailed, match="was not told everything"):
            feeder.finish()


def test_the_last_batches_are_handed_out_in_pieces(staging: Staging, tmp_path: Path) -> None:
    """With a helper, and to the row what they are without."""
    count = 3 * ROWS_PER_PIECE
    rows = [milestone(number) for number in range(1, count + 1)]
    (whole,) = pa.Table.from_batches(latest(*rows)).combine_chunks().to_batches()
    alone = Staging(tmp_path / "alone")
    assert stage_tables(staging, SWEEP, [whole], helpers=1) == stage_tables(alone, SWEEP, [whole])
    files = [pq.ParquetFile(file) for file in staging.files(LATEST)]
    groups = [file.metadata.row_group(group).num_rows for file in files for group in range(file.num_row_groups)]
    assert groups == [ROWS_PER_PIECE] * 3
    assert rows_in(staging.files(LATEST)) == rows_in(alone.files(LATEST))
