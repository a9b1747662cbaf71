"""Damaged landed files: any flipped bit raises one typed error, and the pages are fetched again."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import SweepDamaged
from pipelines.storage.landing import SWEEP_FILE, Filters, Landing, Page
from pipelines.warehouse.ledger import LedgerRow
from sandbox.generate import generate_bodies
from schemas.api import PAGE_LIMIT
from schemas.tables import PAGES
from tests.support import NOON, OUR_CLOCK, Shells, contents, milestone, page_body

pytestmark = pytest.mark.slow

FLIPS = 600
LISTED = 3
"""Pages of the sandbox's list; a full sweep lands one more for the catch-up."""

BODIES = list(generate_bodies(LISTED * PAGE_LIMIT, 5, NOON))
RUN_SPECIFIC = (
    OUR_CLOCK
    | {"requests", "retries", "bytes", "pages", "superseded", "records", "unchanged", "sweep_id"}
    | {"first_sweep_id"}
)


def flip(file: Path, bit: int) -> None:
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


def damage(file: Path) -> None:
    flip(file, file.stat().st_size * 4)


def landed(raw: Path) -> Landing:
    landing = Landing.begin(raw, mode="full", filters=Filters(category="Sports"), ids=["a", "b"], now=NOON)
    body = page_body([milestone(number, title=f"Game {number * 7919 % 1000}") for number in range(40)], "next")
    landing.land(Page(1, "/milestones?limit=500", None, "next", NOON, 40, body))
    landing.sweep.state, landing.sweep.landed_at = "landed", NOON
    landing.save()
    return landing


def outcomes(file: Path, read: Callable[[], Any]) -> tuple[int, int]:
    """How many of FLIPS single-bit flips, spread over the file, change nothing, and how many raise SweepDamaged."""
    whole, expected = file.read_bytes(), read()
    same = damaged = 0
    for number in range(FLIPS):
        bit = number * len(whole) * 8 // FLIPS + number % 8
        flip(file, bit)
        try:
            assert read() == expected, f"bit {bit} gave another value"
            same += 1
        except SweepDamaged:
            damaged += 1
        file.write_bytes(whole)
    return same, damaged


def test_a_flipped_bit_in_a_page_changes_nothing_or_raises(tmp_path: Path) -> None:
    landing = landed(tmp_path)
    same, damaged = outcomes(landing.folder / "page-000001.parquet", lambda: landing.page(1))
    assert same + damaged == FLIPS
    assert damaged > FLIPS / 2


def test_a_flipped_bit_in_the_sweep_file_changes_nothing_or_raises(tmp_path: Path) -> None:
    landing = landed(tmp_path)
    same, damaged = outcomes(landing.folder / SWEEP_FILE, lambda: Landing.open(tmp_path, landing.sweep.sweep_id).sweep)
    assert same + damaged == FLIPS
    assert damaged > FLIPS / 2


def test_a_flipped_bit_in_the_absent_milestones_raises(tmp_path: Path) -> None:
    landing = landed(tmp_path)
    pq.write_table(pa.table({"milestone_id": [f"id-{number}" for number in range(100)]}), landing.absent_file)
    landing.record_checksum(landing.absent_file)
    assert outcomes(landing.absent_file, landing.absent) == (0, FLIPS)
    landing.absent_file.unlink()
    with pytest.raises(SweepDamaged, match=r"absent\.parquet is damaged: run milestones ingest --full"):
        landing.absent()


@pytest.mark.parametrize("size", [0, 4, 1_000], ids=["empty", "only the magic number", "the first kilobyte"])
def test_a_truncated_page_is_damaged(tmp_path: Path, size: int) -> None:
    landing = landed(tmp_path)
    file = landing.folder / "page-000001.parquet"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(SweepDamaged, match=r"page-000001\.parquet is damaged .*: run milestones ingest"):
        landing.page(1)


def test_a_page_under_the_name_of_another_is_damaged(tmp_path: Path) -> None:
    landing = landed(tmp_path)
    shutil.copyfile(landing.folder / "page-000001.parquet", landing.folder / "page-000002.parquet")
    with pytest.raises(SweepDamaged, match="does not match") as caught:
        list(landing.pages())
    assert caught.value.good_pages == 1


def test_a_missing_page_is_damage_even_if_it_is_the_last(tmp_path: Path) -> None:
    landing = landed(tmp_path)
    page = landing.page(1)
    landing.land(Page(3, page.path, page.cursor, page.next_cursor, page.fetched_at, page.records, page.body))
    assert landing.landed_pages == 1
    with pytest.raises(SweepDamaged, match=r"page-000002\.parquet is damaged \(it is missing\)"):
        list(landing.pages())
    landing.reopen()
    assert (landing.sweep.pages, [read.number for read in landing.pages()]) == (1, [1])
    landing.sweep.pages = 2
    with pytest.raises(SweepDamaged, match=r"page-000002\.parquet is damaged \(it is missing\)"):
        list(landing.pages())


def test_pages_and_sweeps_without_checksums_are_read(tmp_path: Path) -> None:
    landing = landed(tmp_path)
    file = landing.folder / "page-000001.parquet"
    page = landing.page(1)
    pq.write_table(pq.read_table(file).drop_columns("checksum"), file)
    assert landing.page(1) == page
    pq.write_table(pq.read_table(file).rename_columns([*PAGES.arrow_schema.names[1:-1], "title"]), file)
    with pytest.raises(SweepDamaged, match="its columns are not those of a page"):
        landing.page(1)
    sweep_file = landing.folder / SWEEP_FILE
    sweep_file.write_text(json.dumps(json.loads(sweep_file.read_bytes())["sweep"]))
    assert Landing.open(tmp_path, landing.sweep.sweep_id).sweep == landing.sweep


def test_an_unreadable_page_is_not_reported_as_damaged(tmp_path: Path) -> None:
    landing = landed(tmp_path)
    file = landing.folder / "page-000001.parquet"
    file.rename(landing.folder / "elsewhere")
    # A link to itself stands in for a missing permission, which root ignores.
    file.symlink_to(file.name)
    with pytest.raises(OSError, match="symbolic links"):
        landing.page(1)


@pytest.fixture(scope="module")
def undisturbed(shells: Shells, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    shell = shells(tmp_path_factory.mktemp("undisturbed"))
    shell.world.load(BODIES)
    shell.sweep(mode="full")
    return contents(shell.home.warehouse_file, without=RUN_SPECIFIC)


@pytest.mark.parametrize("number", [1, 2], ids=["first page", "last page"])
def test_an_interrupted_sweep_resumes_before_its_damaged_page(
    number: int,
    shells: Shells,
    undisturbed: dict[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shell = shells(tmp_path / "home")
    shell.world.load(BODIES)
    before = shell.land(mode="full")
    # The state after a kill: two pages landed, more to fetch.
    before.reopen(pages=LISTED - 1)
    damage(before.folder / f"page-{number:06d}.parquet")
    with caplog.at_level(logging.WARNING):
        ledger = shell.sweep(mode="full")
    (line,) = caplog.messages
    assert line.startswith(f"fetching sweep {before.sweep.sweep_id} again from page {number}: ")
    assert f"page-{number:06d}.parquet is damaged" in line
    assert (ledger.sweep_id, ledger.pages, ledger.new) == (before.sweep.sweep_id, LISTED + 1, len(BODIES))
    assert contents(shell.home.warehouse_file, without=RUN_SPECIFIC) == undisturbed


@pytest.mark.parametrize("file", ["page-000002.parquet", "absent.parquet"])
def test_a_landed_sweep_with_damage_is_fetched_again(
    file: str, shells: Shells, undisturbed: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shell = shells(tmp_path / "home")
    shell.world.load(BODIES)
    landing = shell.land(mode="full")
    # The killed run had staged its records.
    shell.stages.stage_records()
    damage(landing.folder / file)
    with caplog.at_level(logging.WARNING):
        ledger = shell.sweep(mode="full")
    assert [file in line for line in caplog.messages] == [True]
    assert (ledger.sweep_id, ledger.new) == (landing.sweep.sweep_id, len(BODIES))
    assert contents(shell.home.warehouse_file, without=RUN_SPECIFIC) == undisturbed


def test_a_page_damaged_before_decoding_fails_the_run_and_the_next_run_repairs_it(
    shells: Shells, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    shell = shells(tmp_path / "home")
    shell.world.load(BODIES)
    damage(shell.land(mode="full").folder / "page-000002.parquet")
    with pytest.raises(SweepDamaged, match=r"page-000002\.parquet is damaged .*: run milestones ingest"):
        shell.stages.stage_records()
    assert shell.rows("SELECT status FROM sweeps") == [("failed",)]
    ledger: LedgerRow = shell.sweep(mode="full")
    assert ledger.new == len(BODIES)
    found, expected = contents(shell.home.warehouse_file, without=RUN_SPECIFIC), dict(undisturbed)
    assert {name for name in found if found[name] != expected[name]} == {"sweeps"}


def test_damaged_absent_milestones_fail_the_load(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path / "home", [milestone(number) for number in range(3)])
    landing = shell.land(mode="full")
    shell.stage()
    damage(landing.absent_file)
    with pytest.raises(SweepDamaged, match=r"absent\.parquet is damaged"):
        shell.stages.load()
    assert shell.value("SELECT count(*) FROM milestones") == 0
    assert shell.sweep(mode="full").new == 3


def test_staged_records_of_an_earlier_run_are_not_used(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path / "home", [milestone(1)])
    landing = shell.land(mode="full")
    shell.stage()
    damage(shell.home.staging(landing.sweep.sweep_id) / "records-000001.parquet")
    assert shell.sweep(mode="full").new == 1
