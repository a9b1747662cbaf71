"""The table of results in docs/reliability.md."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from tests.conftest import PROJECT
from tests.hard.__main__ import arguments, write
from tests.hard.campaign import Campaign, Case, Totals
from tests.hard.campaigns import CAMPAIGNS
from tests.hard.report import BEGIN, END, NoPlaceError, bound, table, with_numbers
from tests.support import NOON


def campaign(**options: Any) -> Campaign:
    def summary(totals: Totals) -> str:
        return f"{totals.counts['rows']} rows | {totals.peaks.get('s')} s, {totals.percentile('ms', 0.5):.0f} ms"

    return Campaign("some", "1. Some", "kills", 1_000, lambda _: contextlib.nullcontext(Case), summary, **options)


def totals(cases: int, *, failed: int = 0) -> Totals:
    return Totals.of(
        Case(number, "x", ["torn"] * (number < failed), {"rows": 10}, {"s": number}, {"ms": [number]}, 0.5)
        for number in range(cases)
    )


def test_the_table() -> None:
    numbers = table({"some": campaign()}, {"some": totals(1_000)}, seed=7, now=NOON)
    assert numbers.startswith("`make test-hard`, 2026-11-23 UTC, seed 7. ")
    assert "duckdb 2" in numbers
    assert numbers.endswith("| 1. Some | 1,000 kills | 10000 rows \\| 999 s, 500 ms | 0 | < 0.3 % | 500 |")


def test_faults_are_listed_and_have_no_bound() -> None:
    numbers = table({"some": campaign()}, {"some": totals(10, failed=7)}, seed=7, now=NOON)
    assert "| 10 kills | 100 rows \\| 9 s, 5 ms | 7 |  | 5 |" in numbers
    assert numbers.count("- some: case") == 5
    assert "- some: case 0, x: torn" in numbers


def test_what_was_not_run_is_in_the_table_with_its_reason() -> None:
    numbers = table({"some": campaign(), "other": campaign()}, {"some": "skipped: strace is missing"}, seed=7, now=NOON)
    assert "| 0 kills | skipped: strace is missing |" in numbers
    assert "| 0 kills | not run |" in numbers


@pytest.mark.parametrize(
    ("about", "cases", "expected"),
    [("", 1_000, "< 0.3 %"), ("rows", 1_000, "< 0.03 %"), ("", 50, "< 6.0 %"), ("", 3, ""), (None, 1_000, "")],
)
def test_the_rule_of_three(about: str | None, cases: int, expected: str) -> None:
    assert bound(campaign(bound=about), totals(cases)) == expected


def test_the_numbers_have_a_place_in_the_document() -> None:
    document = (PROJECT / "docs" / "reliability.md").read_text(encoding="utf-8")
    with_new = with_numbers(document, "new numbers, \\1")
    assert f"{BEGIN}\n\nnew numbers, \\1\n\n{END}" in with_new
    assert with_numbers(with_new, "x").count("new numbers") == 0
    with pytest.raises(NoPlaceError, match="no <!-- numbers -->"):
        with_numbers("# Reliability", "x")


def test_the_document_is_written(tmp_path: Any) -> None:
    document = tmp_path / "reliability.md"
    document.write_text(f"before\n{BEGIN}{END}\nafter\n", encoding="utf-8")
    write("some", document)
    assert document.read_text(encoding="utf-8") == f"before\n{BEGIN}\n\nsome\n\n{END}\nafter\n"


def test_options(capsys: pytest.CaptureFixture[str]) -> None:
    options = arguments(["--scale", "0.1", "--only", "kills", "--only", "fuzz"])
    assert (options.scale, options.only, options.seed, options.fresh) == (0.1, ["kills", "fuzz"], 1, False)
    with pytest.raises(SystemExit):
        arguments(["--only", "nothing"])
    complaint = capsys.readouterr().err
    assert [name for name in CAMPAIGNS if name not in complaint] == []
