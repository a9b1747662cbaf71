"""Contracts: what MILESTONES_CONTRACT may hold, and the mode of each type."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contract import EVOLVE, MODES, Contract
from pipelines.errors import WrongSetting


@pytest.mark.parametrize(
    ("text", "default", "by_type"),
    [
        pytest.param("", "evolve", {}, id="empty"),
        pytest.param(" , ,", "evolve", {}, id="only commas and spaces"),
        pytest.param("freeze", "freeze", {}, id="default mode"),
        pytest.param(" discard ", "discard", {}, id="spaces around the mode"),
        pytest.param("game=freeze", "evolve", {"game": "freeze"}, id="one type"),
        pytest.param("freeze,game=evolve", "freeze", {"game": "evolve"}, id="default and one type"),
        pytest.param("game=evolve,freeze", "freeze", {"game": "evolve"}, id="any order"),
        pytest.param("a=freeze, b=discard", "evolve", {"a": "freeze", "b": "discard"}, id="two types"),
        pytest.param("game = freeze", "evolve", {"game": "freeze"}, id="spaces around ="),
        pytest.param("a=b=freeze", "evolve", {"a=b": "freeze"}, id="type with ="),
        pytest.param("Companies=freeze", "evolve", {"Companies": "freeze"}, id="types are case-sensitive"),
        pytest.param("a b; drop=freeze", "evolve", {"a b; drop": "freeze"}, id="any text as type"),
        pytest.param("freeze,discard", "discard", {}, id="last default wins"),
        pytest.param("a=freeze,a=evolve", "evolve", {"a": "evolve"}, id="last mode of a type wins"),
        pytest.param("freeze=discard", "evolve", {"freeze": "discard"}, id="type named like a mode"),
    ],
)
def test_parse(text: str, default: str, by_type: dict[str, Any]) -> None:
    assert Contract.parse(text) == Contract(default, by_type)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        pytest.param("strict", "'strict'", id="unknown mode"),
        pytest.param("Freeze", "'Freeze'", id="modes are case-sensitive"),
        pytest.param("game", "'game'", id="type without a mode"),
        pytest.param("game=", "'game='", id="empty mode"),
        pytest.param("=freeze", "'=freeze'", id="empty type"),
        pytest.param("=", "'='", id="only ="),
        pytest.param("game=freeze=", "'game=freeze='", id="empty mode after two ="),
        pytest.param("freeze;discard", "'freeze;discard'", id="semicolon"),
        pytest.param("evolve,game=fr\neeze", r"'game=fr\neeze'", id="newline is escaped"),
        pytest.param("x" * 1_000, f"'{'x' * 40}' is", id="quote is truncated"),
    ],
)
def test_an_invalid_contract_is_quoted(text: str, quoted: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        Contract.parse(text)
    assert quoted in str(caught.value)
    assert all(mode in str(caught.value) for mode in MODES)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2


@given(st.text())
def test_any_text_parses_or_raises_wrong_setting(text: str) -> None:
    try:
        contract = Contract.parse(text)
    except WrongSetting:
        return
    assert {contract.default, *contract.by_type.values()} <= set(MODES)
    assert all(type_.strip() for type_ in contract.by_type)


def test_each_type_has_exactly_one_mode() -> None:
    contract = Contract.parse("freeze,a=evolve,b=discard")
    types = ["a", "b", "c", "A", ""]
    assert [contract.types_in(mode, types) for mode in ("evolve", "freeze", "discard")] == [
        ["a"],
        ["c", "A", ""],
        ["b"],
    ]
    assert EVOLVE.types_in("evolve", iter(types)) == types
    assert EVOLVE.types_in("freeze", types) == EVOLVE.types_in("discard", types) == []
