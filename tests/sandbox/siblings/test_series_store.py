from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sandbox.rfc3339 import micros_of, parse_micros
from sandbox.siblings.index import series_of
from sandbox.siblings.series_store import SeriesList, SeriesQuery
from sandbox.siblings.store import UnknownNameError
from sandbox.world import World
from tests.sandbox.conftest import NOW


def find(series: SeriesList, **query: Any) -> list[dict[str, Any]]:
    return [msgspec.json.decode(one) for one in series.find(SeriesQuery(**query))]


def test_every_series_of_an_event_is_listed(world: World) -> None:
    tickers = {one for row in world.bodies() for one in msgspec.json.decode(row)["related_event_tickers"]}
    found = [one["ticker"] for one in find(world.siblings.series)]
    assert found == sorted({series_of(one) for one in tickers})
    assert {"KXNBAGAME", "SENATEWY", "KXHOUSE-WY"} <= set(found)


def test_one_series(world: World) -> None:
    series = world.siblings.series
    found = msgspec.json.decode(series.get("KXNBAGAME"))
    assert found in find(series)
    assert (found["category"], found["title"]) == ("Sports", "NBA (KXNBAGAME)")
    with pytest.raises(UnknownNameError):
        series.get("KXNONE")


def test_filters(world: World) -> None:
    series = world.siblings.series
    everything = find(series)
    assert find(series, category="Elections") == [one for one in everything if one["category"] == "Elections"] != []
    assert find(series, category="elections") == []
    tagged = [one for one in everything if {"NBA", "ATP"} & set(one["tags"] or ())]
    assert find(series, tags=("ATP", "NBA")) == tagged != []
    edge = parse_micros(everything[3]["last_updated_ts"])
    later = [one for one in everything if parse_micros(one["last_updated_ts"]) > edge]
    assert find(series, updated_after_micros=edge) == later
    assert 0 < len(later) < len(everything)


def test_an_event_can_be_moved_to_a_new_series(world: World) -> None:
    series, ticker = world.siblings.series, "KXNBAGAME-26JAN05RENTUL"
    world.move_event(ticker, "KXCUP")
    assert [one["ticker"] for one in find(series, updated_after_micros=micros_of(NOW) - 1)] == ["KXCUP"]
    world.retitle_event(ticker, "x")
    world.move_event(ticker, "KXNBASPREAD")
    with pytest.raises(UnknownNameError):
        series.get("KXCUP")
    assert [one["ticker"] for one in find(series, updated_after_micros=micros_of(NOW) - 1)] == ["KXNBASPREAD"]
