"""A world that changes while it is crawled: what a scan misses, and what catch-ups bring after it."""

import pytest

from bench.completeness import Crawl, in_shards, one_scan, simulate, tally, then_incremental, with_catch_ups

pytestmark = pytest.mark.slow

CRAWLS = 40


def test_a_full_sweep_misses_nothing() -> None:
    found = tally(with_catch_ups, crawls=CRAWLS)

    assert (found.missed, found.endless) == (0, 0)


def test_a_full_sweep_with_several_requests_in_flight_misses_nothing() -> None:
    found = tally(in_shards, crawls=CRAWLS)

    assert (found.missed, found.endless) == (0, 0)


def test_a_full_sweep_and_the_incremental_one_after_it_miss_nothing() -> None:
    found = tally(then_incremental, crawls=CRAWLS)

    assert found.missed == 0
    assert found.milestones > CRAWLS * 200
    assert found.bound == "< 7.50%"


def test_one_scan_alone_misses_milestones() -> None:
    found = tally(one_scan, crawls=CRAWLS)

    assert found.missed > CRAWLS
    assert 0 < found.absent < found.missed
    assert found.incomplete > CRAWLS / 2


@pytest.mark.parametrize("crawl", [one_scan, with_catch_ups], ids=["scan", "catch-ups"])
def test_the_same_seed_simulates_the_same(crawl: Crawl) -> None:
    assert simulate(crawl, "again") == simulate(crawl, "again")
