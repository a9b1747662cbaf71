from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.errors import SweepDamaged, WrongUse
from pipelines.storage.lake import Lake
from pipelines.storage.lake_pages import LakePages, parts_of
from pipelines.storage.page_files import Page
from tests.lakes import BOTH
from tests.support import NOON

SWEEP = "000007-20261123T120000Z"
PART = "shard-1"
PAGE = Page(1, "/milestones?limit=500", None, "abc", NOON, 2, b'{"milestones":[]}')


@BOTH
def test_workers_land_parts_of_one_sweep(lake: Lake) -> None:
    for part in ("shard-2", "shard-1"):
        pages = LakePages(lake, SWEEP, part)
        for number in (1, 2, 10):
            pages.put(replace(PAGE, number=number, body=f"{part} {number}".encode()))

    assert parts_of(lake, SWEEP) == ["shard-1", "shard-2"]
    pages = LakePages(lake, SWEEP, "shard-1")
    assert pages.numbers() == [1, 2, 10]
    assert pages.read(10) == replace(PAGE, number=10, body=b"shard-1 10")

    pages.put(replace(PAGE, body=b"again"))
    assert pages.numbers() == [1, 2, 10]
    assert pages.read(1).body == b"again"


@BOTH
def test_a_missing_or_damaged_page_says_which_are_good(lake: Lake) -> None:
    pages = LakePages(lake, SWEEP, PART)
    pages.put(replace(PAGE, number=3))
    name = f"raw/{SWEEP}/parts/{PART}/page-000003.parquet"
    lake.write(name, lake.read(name)[:-9])

    for number in (3, 4):
        with pytest.raises(SweepDamaged, match=f"page-00000{number}.parquet is missing or damaged") as raised:
            pages.read(number)
        assert raised.value.good_pages == number - 1


def test_a_page_under_another_number_is_damage(lake: Lake) -> None:
    LakePages(lake, SWEEP, PART).put(PAGE)
    lake.copy(f"raw/{SWEEP}/parts/{PART}/page-000001.parquet", f"raw/{SWEEP}/parts/{PART}/page-000002.parquet")
    with pytest.raises(SweepDamaged, match="does not match its checksum"):
        LakePages(lake, SWEEP, PART).read(2)


def test_the_name_of_a_part_is_no_path(lake: Lake) -> None:
    with pytest.raises(WrongUse, match="is no name of a part"):
        LakePages(lake, SWEEP, "../other")
