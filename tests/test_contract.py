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
        pytest.param("", "evolve", {}, id="nothing"),
        pytest.param(" , ,", "evolve", {}, id="commas and blanks"),
        pytest.param("freeze", "freeze", {}, id="one for all"),
        pytest.param(" discard ", "discard", {}, id="blanks around"),
        pytest.param("game=freeze", "evolve", {"game": "freeze"}, id="one type"),
        pytest.param("freeze,game=evolve", "freeze", {"game": "evolve"}, id="all but one"),
        pytest.param("game=evolve,freeze", "freeze", {"game": "evolve"}, id="in any order"),
        pytest.param("a=freeze, b=discard", "evolve", {"a": "freeze", "b": "discard"}, id="two types"),
        pytest.param("game = freeze", "evolve", {"game": "freeze"}, id="blanks around the sign"),
        pytest.param("a=b=freeze", "evolve", {"a=b": "freeze"}, id="a type with the sign"),
        pytest.param("Companies=freeze", "evolve", {"Companies": "freeze"}, id="case counts in types"),
        pytest.param("a b; drop=freeze", "evolve", {"a b; drop": "freeze"}, id="types are any text"),
        pytest.param("freeze,discard", "discard", {}, id="the last for all counts"),
        pytest.param("a=freeze,a=evolve", "evolve", {"a": "evolve"}, id="the last of a type counts"),
        pytest.param("freeze=discard", "evolve", {"freeze": "discard"}, id="a type called like a mode"),
    ],
)
def test_parse(text: str, default: str, by_type: dict[str, Any]) -> None:
    assert Contract.parse(text) == Contract(default, by_type)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("strict", "'strict'", id="unknown mode"),
        pytest.param("Freeze", "'Freeze'", id="case counts in modes"),
        pytest.param("game", "'game'", id="a type alone"),
        pytest.param("game=", "'game='", id="no mode"),
        pytest.param("=freeze", "'=freeze'", id="no type"),
        pytest.param("=", "'='", id="neither"),
        pytest.param("game=freeze=", "'game=freeze='", id="nothing after the last sign"),
        pytest.param("freeze;discard", "'freeze;discard'", id="no comma"),
        pytest.param("evolve,game=fr\neeze", r"'game=fr\neeze'", id="in one line"),
        pytest.param("x" * 1_000, f"'{'x' * 40}' is", id="cut short"),
    ],
)
def test_what_is_no_contract_is_named(text: str, named: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        Contract.parse(text)
    assert named in str(caught.value)
    assert all(mode in str(caught.value) for mode in MODES)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2


@given(st.text())
def test_any_text_is_a_contract_or_a_wrong_setting(text: str) -> None:
    try:
        contract = Contract.parse(text)
    except WrongSetting:
        return
    assert {contract.default, *contract.by_type.values()} <= set(MODES)
    assert all(type_.strip() for type_ in contract.by_type)


def test_every_type_has_one_mode() -> None:
    contract = Contract.parse("freeze,a=evolve,b=discard")
    types = ["a", "b", "c", "A", ""]
    assert [contract.types_in(mode, types) for mode in ("evolve", "freeze", "discard")] == [
        ["a"],
        ["c", "A", ""],
        ["b"],
    ]
    assert EVOLVE.types_in("evolve", iter(types)) == types
    assert EVOLVE.types_in("freeze", types) == EVOLVE.types_in("discard", types) == []
