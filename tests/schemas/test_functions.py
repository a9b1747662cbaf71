"""SQL functions give what the columns of `milestones` are made by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.flatten.tables import is_simulated
from pipelines.records.canonical import canonical_json
from schemas.functions import FUNCTIONS, Function
from schemas.leagues import LEAGUE_KEYS, league
from schemas.placeholders import PLACEHOLDER_FROM, PLACEHOLDER_UNTIL, is_placeholder
from schemas.statuses import leaves_start_open, spellings, status_group


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        for function in FUNCTIONS:
            for statement in function.statements:
                opened.execute(statement)
        yield opened


def value(connection: duckdb.DuckDBPyConnection, function: str, argument: Any) -> Any:
    return connection.execute(f"SELECT {function}(?)", [argument]).fetchall()[0][0]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: one.name)
def test_functions_have_comments_in_duckdb(connection: duckdb.DuckDBPyConnection, function: Function) -> None:
    query = "SELECT comment FROM duckdb_functions() WHERE function_name = ? AND NOT internal"
    assert connection.execute(query, [function.name]).fetchall() == [(function.description,)]


_spelled = st.sampled_from([spelling.text for spelling in spellings()])
_statuses = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.builds("".join, st.tuples(st.sampled_from(["", " ", "x"]), _spelled, st.text(" -_(\nx:1Ä", max_size=4))),
    st.builds(lambda text, joint: text.title().replace(" ", joint), _spelled, st.sampled_from(["_", "-", "  ", ""])),
)


@given(_statuses)
def test_statuses(connection: duckdb.DuckDBPyConnection, status: str | None) -> None:
    assert value(connection, "status_group_of", status) == status_group(status)
    assert value(connection, "status_leaves_start_open", status) is leaves_start_open(status)


@given(st.none() | st.integers(PLACEHOLDER_FROM - 5 * 86_400_000_000, PLACEHOLDER_UNTIL + 5 * 86_400_000_000))
@example(PLACEHOLDER_FROM - 1)
@example(PLACEHOLDER_FROM)
@example(PLACEHOLDER_UNTIL - 1)
@example(PLACEHOLDER_UNTIL)
def test_placeholders(connection: duckdb.DuckDBPyConnection, time: int | None) -> None:
    found = connection.execute("SELECT is_placeholder(make_timestamptz($1))", [time]).fetchall()[0][0]
    assert found is is_placeholder(time)


_details = st.dictionaries(
    st.sampled_from([*LEAGUE_KEYS, "game"]),
    st.sampled_from(["", "NFL", 'La "Liga"', None, 7, True, [], ["NFL"], {"league": "NFL"}]),
)


@given(_details)
def test_leagues(connection: duckdb.DuckDBPyConnection, details: dict[str, Any]) -> None:
    assert value(connection, "league_of", canonical_json(details).decode()) == league(details)


_tickers = st.sampled_from(
    [
        *("SIMNBAGAME", "SIMNFLGAME-26NOV29AB", "SIMNFLGAME-", 'SIMUFLGAME-"a"', "SIMUFLGAME-\n"),
        *("KX-1", "KXSIMNBAGAME", "SIMNBAGAMES", "SIMPLEGAME-26", "simnbagame", 'KX"SIMNBAGAME', "SIMNBAGAME\n", ""),
    ]
)


@given(st.one_of(_tickers, st.none(), st.lists(_tickers, max_size=3)))
def test_simulated_games(connection: duckdb.DuckDBPyConnection, tickers: str | list[str] | None) -> None:
    expected = is_simulated({}, [tickers] if isinstance(tickers, str) else tickers or [])
    assert value(connection, "names_simulated_game", canonical_json(tickers).decode()) is expected


@pytest.mark.parametrize(
    ("role", "rank"),
    [
        *(("home", 0), ("away", 1), ("first", 2), ("second", 3), ("competitor", 10), ("candidate", 20), ("driver", 30)),
        *(("home_team", 0), ("homely", 30), ("", 30)),
    ],
)
def test_roles_have_an_order(connection: duckdb.DuckDBPyConnection, role: str, rank: int) -> None:
    assert value(connection, "role_rank", role) == rank


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], None),
        (None, None),
        (["A"], "A"),
        (["A", "B"], "A vs B"),
        (["A", "B", "C"], "A, B, C"),
        (["A", "B", "C", "D"], "A, B, C, D"),
        (["A", "B", "C", "D", "E"], "A, B, C, D, and 1 more"),
        ([str(number) for number in range(132)], "0, 1, 2, 3, and 128 more"),
    ],
    ids=lambda value: str(len(value)) if isinstance(value, list) else None,
)
def test_names_in_short(connection: duckdb.DuckDBPyConnection, names: list[str] | None, text: str | None) -> None:
    found = connection.execute("SELECT names_in_short(CAST(? AS VARCHAR[]))", [names]).fetchall()[0][0]
    assert found == text
