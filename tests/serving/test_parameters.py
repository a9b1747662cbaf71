"""Parameters: values, defaults, bounds, and one line for each wrong value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.serving.errors import Refused
from pipelines.serving.parameters import QUERY_CHARACTERS_MAX, TEXTS_MAX, Parameter, read_query, write_query

PARAMETERS = (
    Parameter("type", "texts", "Types."),
    Parameter("limit", "integer", "Rows.", default=100, minimum=1, maximum=1_000),
    Parameter("hours", "number", "Hours.", minimum=0, maximum=100),
    Parameter("since", "time", "Time."),
    Parameter("all", "flag", "All.", default=False),
)
DEFAULTS = {"type": None, "limit": 100, "hours": None, "since": None, "all": False}


def read(query: str) -> dict[str, Any]:
    return read_query(query.encode(), "/x.json", PARAMETERS)


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", {}),
        ("type=b&type=A&type=a", {"type": ("a", "b")}),
        ("type=a%26b%3Dc", {"type": ("a&b=c",)}),
        ("limit=7&hours=1.5&all=true", {"limit": 7, "hours": 1.5, "all": True}),
        ("since=2026-11-27T18:00:00Z", {"since": datetime(2026, 11, 27, 18, tzinfo=UTC)}),
        ("since=2026-11-27T18:00:00%2B02:00", {"since": datetime(2026, 11, 27, 16, tzinfo=UTC)}),
        ("since=2026-11-27", {"since": datetime(2026, 11, 27, tzinfo=UTC)}),
    ],
)
def test_values_are_read_and_the_others_are_defaults(query: str, values: dict[str, Any]) -> None:
    assert read(query) == DEFAULTS | values


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("typ=a", "/x.json has no parameter 'typ': use type, limit, hours, since, all"),
        ("%00%E2%80%AE=a", r"/x.json has no parameter '\x00\u202e': use type, limit, hours, since, all"),
        ("limit=0", "limit is '0': give a whole number from 1 to 1000"),
        ("limit=1e2", "limit is '1e2': give a whole number from 1 to 1000"),
        ("limit=1_0", "limit is '1_0': give a whole number from 1 to 1000"),
        ("limit=%D9%A3", "limit is '٣': give a whole number from 1 to 1000"),
        ("limit=", "limit is '': give a whole number from 1 to 1000"),
        ("limit=1&limit=2", "limit is given 2 times: give it once"),
        ("hours=nan", "hours is 'nan': give a number from 0 to 100"),
        ("hours=-1", "hours is '-1': give a number from 0 to 100"),
        ("since=today", "since is 'today': give a time in UTC such as 2026-11-27T18:00:00Z, or a date"),
        (
            "since=0001-01-01T00:00:00%2B14:00",
            "since is '0001-01-01T00:00:00+14:00': give a time in UTC such as 2026-11-27T18:00:00Z, or a date",
        ),
        ("all=1", "all is '1': give true or false"),
        ("type=", "type is empty: give a value, or leave the parameter out"),
        ("type=" + "x" * 201, "type has 201 characters: give at most 200"),
        ("&".join(["type=x"] * (TEXTS_MAX + 1)), "type is given 51 times: give it at most 50 times"),
    ],
)
def test_a_wrong_query_is_one_line(query: str, message: str) -> None:
    with pytest.raises(Refused) as refused:
        read(query)
    assert (refused.value.status, refused.value.message) == (400, message)


def test_a_long_query_is_refused_before_it_is_read() -> None:
    with pytest.raises(Refused, match="send at most") as refused:
        read("x" * (QUERY_CHARACTERS_MAX + 1))
    assert refused.value.status == 414


def test_a_route_without_parameters_says_so() -> None:
    with pytest.raises(Refused, match="/y has no parameter 'a': it takes none"):
        read_query(b"a=b", "/y", ())


def test_a_query_is_written_as_it_was_read() -> None:
    query = "type=a%26b&type=c&limit=7&since=2026-11-27T18%3A00%3A00Z&all=true"
    assert write_query(read(query), PARAMETERS) == query
