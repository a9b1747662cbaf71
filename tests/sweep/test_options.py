"""Options of a sweep: what they exclude, in the words of the command line."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from pipelines.errors import WrongUse
from pipelines.sweep.options import FILTERS, SweepOptions

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "ids and filters": (
        {"ids": ("a",), "event": "KX", "since": "2026-01-01"},
        "<ids> names single milestones: leave <event> and <since> out",
    ),
    "ids and pages": ({"ids": ("a",), "max_pages": 1}, "<ids> names single milestones: leave <max_pages> out"),
    "ids and full": ({"ids": ("a",), "mode": "full"}, "<ids> names single milestones: leave <mode> out"),
    "full and filters": (
        {"mode": "full", "category": "x", "type": "y", "competition": "z"},
        "<mode> chooses every milestone: leave <category>, <type> and <competition> out",
    ),
    "incremental and filters": (
        {"mode": "incremental", "source_id": "x"},
        "<mode> chooses what was updated: leave <source_id> out",
    ),
    "retry and pages": ({"mode": "retry", "max_pages": 1}, "<mode> chooses the quarantine: leave <max_pages> out"),
    "until before since": (
        {"since": "2026-02-01", "until": "2026-01-01"},
        "<until> 2026-01-01 is not after <since> 2026-02-01: no milestone starts between them",
    ),
    "until at since": (
        {"since": "2026-02-01", "until": "2026-02-01T01:00:00+01:00"},
        "<until> 2026-02-01T01:00:00+01:00 is not after <since> 2026-02-01: no milestone starts between them",
    ),
    "an empty filter": ({"competition": " "}, "<competition> is empty: give a value, or leave it out"),
    "an empty id": ({"ids": ("a", "")}, "<ids> is empty: give a value, or leave it out"),
    "no time": ({"until": "tomorrow"}, "'tomorrow' is not a date or time: write 2026-11-23 or 2026-11-23T18:00:00Z"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_wrong_combinations_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(WrongUse) as caught:
        SweepOptions(**options).request(lambda name: f"<{name}>")
    assert str(caught.value) == message


def test_what_is_allowed_together() -> None:
    every = dict.fromkeys(FILTERS, "x") | {"since": "2026-01-01", "until": "2026-01-02"}
    assert SweepOptions(**every, max_pages=3).request().max_pages == 3  # type: ignore[arg-type]
    assert SweepOptions(mode="full", max_pages=3).request().mode == "full"


def test_the_configuration_gives_the_same_options_again() -> None:
    options = SweepOptions(ids=("a", "b"), allow_shrink=True)
    config = options.config()
    assert config["ids"] == ["a", "b"]
    assert SweepOptions(**config | {"ids": tuple(config["ids"])}) == options
    assert config.keys() == asdict(options).keys()
