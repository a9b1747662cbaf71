"""Whether a macro is also a view, and how its call is written."""

from __future__ import annotations

import pytest

from schemas.view import Parameter, View

DAY = Parameter("day", None, "The day.")
LIMIT = Parameter("n", "10", "The most rows.")
SIMULATED = Parameter("include_simulated", "false", "Whether simulated games are included.")


@pytest.mark.parametrize(
    ("parameters", "is_view", "signature"),
    [
        ((), True, "games()"),
        ((LIMIT, SIMULATED), True, "games(n := 10, include_simulated := false)"),
        ((DAY, LIMIT), False, "games(day, n := 10)"),
    ],
    ids=["no parameters", "all with a default", "a required one"],
)
def test_a_view_needs_no_parameters(parameters: tuple[Parameter, ...], is_view: bool, signature: str) -> None:
    view = View("games", "Which games?", (), parameters, ())
    assert (view.is_view, view.signature) == (is_view, signature)
