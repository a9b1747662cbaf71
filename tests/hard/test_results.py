"""Results on disk: a run that was interrupted resumes, and what depends on other code is run again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hard.__main__ import known
from tests.hard.campaign import Campaign, Case, Judge, Totals
from tests.hard.results import Head, Results
from tests.hard.worker import run_share

HEAD = Head(1, "code")


class Interrupted(BaseException):
    """As Ctrl-C raises."""


def campaign(ran: list[int], *, stops_at: int = -1) -> Campaign:
    @contextlib.contextmanager
    def prepared(seed: int) -> Iterator[Judge]:
        def judge(number: int) -> Case:
            if number == stops_at:
                raise Interrupted
            if number == 4:
                raise RuntimeError("no disk")
            ran.append(number)
            return Case(number, f"of seed {seed}", counts={"rows": 10})

        yield judge

    return Campaign("some", "Some", "cases", 6, prepared, lambda totals: str(totals.cases))


def test_an_interrupted_run_resumes(tmp_path: Path) -> None:
    results, ran = Results(tmp_path / "new" / "some.jsonl"), list[int]()
    assert results.begin(HEAD) == 0
    with pytest.raises(Interrupted):
        run_share(campaign(ran, stops_at=3), results, seed=1, cases=6, index=0, workers=1)
    assert results.begin(HEAD) == 3
    for index in (0, 1):
        run_share(campaign(ran), results, seed=1, cases=6, index=index, workers=2)
    assert ran == [0, 1, 2, 3, 5]
    totals = Totals.of(results.cases())
    assert (totals.cases, totals.failed, totals.counts["rows"]) == (6, 1, 50)
    assert totals.faults == ["case 4, not judged: RuntimeError: no disk"]


def test_the_line_of_a_killed_worker_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    results = Results(file)
    results.begin(HEAD)
    results.add(Case(0, "whole"))
    with file.open("ab") as cut:
        cut.write(b'{"number": 1, "wh')
    assert results.begin(HEAD) == 1
    results.add(Case(1, "whole"))
    assert [case.number for case in results.cases()] == [0, 1]


@pytest.mark.parametrize("head", [Head(2, "code"), Head(1, "other code")], ids=["seed", "code"])
def test_results_of_another_seed_or_other_code_are_not_kept(tmp_path: Path, head: Head) -> None:
    results = Results(tmp_path / "some.jsonl")
    results.begin(HEAD)
    results.add(Case(0))
    assert results.begin(HEAD) == 1
    assert results.begin(HEAD, is_fresh=True) == 0
    results.add(Case(0))
    assert (len(results.kept(HEAD)), results.kept(head)) == (1, [])
    assert results.begin(head) == 0


def test_what_earlier_runs_found_is_reported(tmp_path: Path) -> None:
    assert known(tmp_path, HEAD) == {}
    results = Results(tmp_path / "kills.jsonl")
    results.begin(HEAD)
    results.add(Case(0, counts={"lost": 2}))
    (kills,) = known(tmp_path, HEAD).values()
    assert isinstance(kills, Totals)
    assert kills.counts["lost"] == 2
