"""The run configuration becomes a sweep request, or wrong use."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import dagster as dg
import pytest

from pipelines.errors import WrongUse
from pipelines.orchestration.config import SweepConfig, SweepMode
from pipelines.sweep.options import SweepOptions
from pipelines.sweep.request import SweepRequest
from tests.support import NOON


@pytest.mark.parametrize(
    ("config", "request_"),
    [
        ({}, SweepRequest()),
        ({"mode": SweepMode.full}, SweepRequest(mode="full")),
        ({"ids": ["b", "a", "b"]}, SweepRequest(ids=("b", "a"))),
        ({"category": "Sports", "type": "x"}, SweepRequest(category="Sports", type="x")),
        ({"since": "2026-11-23T12:00:00Z"}, SweepRequest(since=NOON)),
        ({"since": "2026-11-23T07:00:00-05:00"}, SweepRequest(since=NOON)),
        ({"since": "2026-11-23T12:00:00"}, SweepRequest(since=NOON)),
        ({"since": "2026-11-23"}, SweepRequest(since=NOON.replace(hour=0))),
        ({"allow_shrink": True}, SweepRequest(allow_shrink=True)),
        (
            {"event": "KX-1", "source_id": "s", "competition": "NFL", "until": "2026-11-23T12:00:00Z", "max_pages": 3},
            SweepRequest(event="KX-1", source_id="s", competition="NFL", until=NOON, max_pages=3),
        ),
    ],
    ids=[
        *("default", "full", "ids", "filters", "since UTC", "since elsewhere", "since naive", "since a day", "shrink"),
        "more filters",
    ],
)
def test_the_configuration_becomes_a_request(config: dict[str, Any], request_: SweepRequest) -> None:
    assert SweepConfig(**config).request() == request_


def test_what_options_refuse_the_configuration_refuses() -> None:
    with pytest.raises(WrongUse, match="ids names single milestones: leave category out"):
        SweepConfig(ids=["a"], category="Sports").request()


def test_the_configuration_has_every_option() -> None:
    assert SweepConfig.model_fields.keys() == {field.name for field in fields(SweepOptions)}


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "1795435200", "23.11.2026"])
def test_an_invalid_time_is_wrong_use(since: str) -> None:
    with pytest.raises(WrongUse) as caught:
        SweepConfig(since=since).request()
    assert str(caught.value) == f"{since!r} is not a date or time: write 2026-11-23 or 2026-11-23T18:00:00Z"
    assert caught.value.exit_status == 2


def test_run_configuration_names_the_modes_in_lower_case() -> None:
    assert {mode.name for mode in SweepMode} == {"auto", "full", "incremental", "retry"}
    field = SweepConfig.to_config_schema().as_field().config_type
    assert isinstance(field, dg.Shape)
    assert field.fields["mode"].default_value == "auto"
    assert all(option.description for option in field.fields.values())
