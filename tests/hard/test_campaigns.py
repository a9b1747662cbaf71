"""A few cases of each campaign; `make test-hard` runs all of them."""

from __future__ import annotations

import contextlib
import errno
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
import pytest

from bench.crash import COMMANDS
from pipelines.records.decode import Record, decode_page
from pipelines.storage.home import Home
from sandbox.habits import HABITS
from tests.hard import crash, crawls, flips, fuzz, habits, memory, publishes, transport
from tests.hard.campaign import Campaign, Case, Judge, Totals
from tests.hard.campaigns import CAMPAIGNS
from tests.hard.crash import DISK_FAULTS, KILLS, no_strace
from tests.hard.zygote import CRASHED, FAILED, status_of
from tests.records.samples import encoded, milestone, page

pytestmark = pytest.mark.slow

SEED = 2
POLL = COMMANDS[1:2]
NUMBERS = list(HABITS)
Prepared = Callable[..., AbstractContextManager[Judge]]


def run(campaign: Campaign, *numbers: int) -> list[Case]:
    with campaign.prepared(SEED) as judge:
        return [judge(number) for number in numbers]


@pytest.mark.parametrize(
    ("campaign", "numbers"),
    [
        pytest.param(transport.TRANSPORT, (0, 70, 200), id="transport"),
        pytest.param(transport.MANNERS, (0,), id="manners"),
        pytest.param(crawls.CRAWLS, range(3), id="crawls"),
        pytest.param(flips.FLIPS, range(3), id="flips"),
        pytest.param(fuzz.FUZZ, (0,), id="fuzz"),
        pytest.param(habits.REPEATS, (0,), id="repeats"),
        pytest.param(publishes.PUBLISHES, (0, 1), id="publishes"),
        pytest.param(memory.MEMORY, (1,), id="memory"),
    ],
)
def test_cases_pass_and_are_summed_up(campaign: Campaign, numbers: tuple[int, ...]) -> None:
    cases = run(campaign, *numbers)
    assert [case.faults for case in cases] == [[]] * len(numbers)
    assert campaign.summary(Totals.of(cases))


@pytest.mark.parametrize("name", ["order-descending", "starts-exclusive", "short-pages", "cursors-expire"])
def test_the_tables_are_the_same_whatever_the_habit(name: str) -> None:
    (case,) = run(habits.WAYS, NUMBERS.index(name))
    assert (case.what, case.faults) == (name, [])
    assert case.counts == {"errors": 0, "same": 1}


def test_a_habit_that_cannot_be_worked_with_is_named_and_changes_nothing() -> None:
    (case,) = run(habits.WAYS, NUMBERS.index("ignores-min-updated-ts"))
    assert case.faults == []
    assert case.counts["errors"] > 0


@pytest.mark.skipif(no_strace() is not None, reason=str(no_strace()))
@pytest.mark.parametrize("prepared", [crash.kills, crash.disk_faults], ids=["kills", "disk"])
def test_a_disturbed_poll_loses_nothing(prepared: Prepared) -> None:
    with prepared(SEED, POLL) as judge:
        cases = [judge(number) for number in (0, 1)]
    assert [case.faults for case in cases] == [[], []]
    assert sum(case.counts["ended by it"] for case in cases) > 0


def test_every_kind_of_call_is_disturbed_before_a_second_of_one_kind() -> None:
    points = [*(("write", nth) for nth in range(1, 100)), ("rename", 1), ("rename", 2), ("symlink", 1)]
    order = crash.in_turn(points, SEED)
    assert sorted(order) == sorted(points)
    assert [{call for call, _ in order[:3]}, {call for call, _ in order[3:5]}] == [
        {"write", "rename", "symlink"},
        {"write", "rename"},
    ]
    assert [nth for call, nth in order if call == "write"] != list(range(1, 100))


def test_each_of_the_numbers_has_a_campaign() -> None:
    titles = " ".join(campaign.title for campaign in CAMPAIGNS.values())
    assert [number for number in range(1, 13) if f"{number}. " not in titles] == []
    assert KILLS.scaled(1) + DISK_FAULTS.scaled(1) == 1_000
    assert DISK_FAULTS.scaled(0.0001) == DISK_FAULTS.fewest


# That each comparison can fail


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, text)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(OSError(errno.ENOSPC, "full"), FAILED, id="an-error-for-users"),
        pytest.param(KeyError("page"), CRASHED, id="a-crash"),
    ],
)
def test_a_crash_is_seen_where_no_message_can_be_written(error: Exception, status: int) -> None:
    def fail() -> None:
        raise error

    with contextlib.redirect_stderr(FullDisk()):
        assert status_of(fail) == status


def test_a_field_that_differs_is_seen() -> None:
    (record,) = [one for one in decode_page(page(encoded(milestone()))) if isinstance(one, Record)]
    tables, by_rules, repeated = fuzz.flattened([record, record])
    assert (by_rules, repeated) == (0, 1)
    case = Case(0, counts={"fields": 0, "differing": 0})
    fuzz.compare_tables(tables, {record.key: record.text}, case)
    assert (case.counts["differing"], case.faults) == (0, [])
    other = record.text.replace("NFL", "CFL").replace("KXC-3", "KXD-3").replace("18T03:11", "18T03:12")
    fuzz.compare_tables(tables, {record.key: other}, case)
    assert [fault.partition(" ")[0] for fault in case.faults] == ["end_date", "related_event_tickers", "details"]


def test_a_torn_read_is_seen(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.published.mkdir()
    assert publishes.read_once(home)[1].startswith("WarehouseUnusable: cannot open")
    with duckdb.connect(str(home.published_duckdb)) as connection:
        connection.execute(
            "CREATE TABLE milestones AS SELECT (range % 2)::VARCHAR AS notification_message FROM range(100)"
        )
    assert publishes.read_once(home)[1] == "torn: [(100, 2)]"


def test_other_rows_are_another_state(tmp_path: Path) -> None:
    states = list[habits.State]()
    for value in (1, 2, 1):
        file = tmp_path / f"{len(states)}.duckdb"
        with duckdb.connect(str(file)) as connection:
            connection.execute(f"CREATE TABLE t AS SELECT {value} AS a, now() AS first_seen_at")
        states.append(habits.state_of(file))
    assert states[0] == states[2] != states[1]
