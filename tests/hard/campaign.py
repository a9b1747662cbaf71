"""What a campaign is: numbered cases, each with a verdict, and how the verdicts of all cases are summed up.

A case depends on the seed and on its number only, never on how many cases there are: a run of more cases repeats none.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import msgspec


class Case(msgspec.Struct, omit_defaults=True):
    """The verdict on one case. `counts` are added up over all cases, of `peaks` the largest counts; `samples` are kept.

    `faults` say what went wrong, one line each; none means that the case passed.
    """

    number: int
    what: str = ""
    faults: list[str] = []
    counts: dict[str, int] = {}
    peaks: dict[str, float] = {}
    samples: dict[str, list[float]] = {}
    seconds: float = 0.0


@dataclass
class Totals:
    """All cases of a campaign together; `kinds` counts them by what they were."""

    cases: int = 0
    failed: int = 0
    faults: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    peaks: dict[str, float] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def of(cls, cases: Iterable[Case]) -> Totals:
        """Add up cases, in the order of their numbers."""
        totals = cls()
        for case in sorted(cases, key=lambda case: case.number):
            totals.cases += 1
            totals.failed += bool(case.faults)
            totals.faults += [f"case {case.number}, {case.what}: {fault}" for fault in case.faults]
            totals.kinds[case.what] += 1
            totals.counts.update(case.counts)
            for name, value in case.peaks.items():
                totals.peaks[name] = max(value, totals.peaks.get(name, value))
            for name, values in case.samples.items():
                totals.samples.setdefault(name, []).extend(values)
            totals.seconds += case.seconds
        return totals

    def percentile(self, name: str, share: float) -> float:
        """A percentile of the samples; NaN without any."""
        values = sorted(self.samples.get(name, ()))
        return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


Judge = Callable[[int], Case]
"""Runs the case with a number. It returns the faults of what is tested; an exception is a fault of the campaign."""


@dataclass(frozen=True)
class Campaign:
    """A number worth publishing: `prepared(seed)` sets up and gives the judge of cases.

    `cases` is how many a whole run has, `fewest` what a scaled one has at least; `unit` names a case. The 95 % bound is
    about the count `bound`, "" for the cases themselves, None where a bound makes no sense. `summary` says in a
    sentence what was measured, `missing` what the machine lacks for it. With `alone` one process runs all cases, as
    they measure times.
    """

    name: str
    title: str
    unit: str
    cases: int
    prepared: Callable[[int], AbstractContextManager[Judge]]
    summary: Callable[[Totals], str]
    fewest: int = 1
    bound: str | None = ""
    alone: bool = False
    missing: Callable[[], str | None] = lambda: None

    def scaled(self, scale: float) -> int:
        """How many cases a run at this scale has."""
        return min(self.cases, max(self.fewest, round(self.cases * scale)))


def drawn(seed: int, name: str, number: int) -> random.Random:
    """The source of randomness of a case."""
    return random.Random(f"{name} {seed} {number}")  # noqa: S311 - cases, not secrets
