"""Values of records as columns."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pipelines.flatten.endpoints.values import extra, json_text, number, text
from schemas.events import EVENTS


@pytest.mark.parametrize(("value", "found"), [("a", "a"), ("", None), (None, None), (7, None), (["a"], None)])
def test_a_text_is_not_empty(value: Any, found: str | None) -> None:
    assert text(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (7, 7.0),
        (Decimal("1.5"), 1.5),
        ("2", 2.0),
        ("2-1", None),
        ("", None),
        (True, None),
        (None, None),
        ([1], None),
        ("nan", None),
        ("1e999", None),
        (10**400, None),
    ],
)
def test_a_number_is_finite(value: Any, found: float | None) -> None:
    assert number(value) == found


def test_json_text_is_canonical() -> None:
    assert json_text({"b": Decimal("1.10"), "a": None}) == '{"a":null,"b":1.10}'
    assert json_text(None) is None


def test_extra_holds_the_fields_without_a_column() -> None:
    assert extra(EVENTS, {"event_ticker": "A", "title": "T"}) is None
    assert extra(EVENTS, {"event_ticker": "A", "exchange_index": 0}) == '{"exchange_index":0}'
