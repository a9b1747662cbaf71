"""The OpenAPI description is valid, and describes every route with its parameters."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import validate

from pipelines.serving.openapi import listing
from pipelines.serving.routes import ROUTES, Route
from tests.serving.client import Client
from tests.support import milestone_id


@pytest.fixture(scope="module")
def description(get: Client) -> Any:
    return get.json("/openapi.json")


def test_it_is_valid(description: Any) -> None:
    validate(description)


def test_it_has_every_route_and_parameter(description: Any) -> None:
    described = {
        path: [parameter["name"] for parameter in operations["get"]["parameters"]]
        for path, operations in description["paths"].items()
    }
    assert described == {route.path: [parameter.name for parameter in route.parameters] for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_every_described_route_answers(route: Route, get: Client, description: Any) -> None:
    path = route.path.replace("{ticker}", "KXGAME-1").replace("{id}", milestone_id(1))
    response = get(path)
    assert response.status_code == 200
    media_type = response.headers["content-type"].partition(";")[0]
    content = description["paths"][route.path]["get"]["responses"]["200"]["content"]
    assert list(content) == [media_type]
    if media_type == "application/json":
        assert set(content[media_type]["schema"].get("required", ())) <= set(response.json())


def test_the_list_names_every_route_and_parameter(get: Client) -> None:
    assert get("/").text == listing()
    for route in ROUTES:
        block = listing().partition(f"{route.path}\n")[2].partition("\n/")[0]
        for parameter in route.parameters:
            assert f"    {parameter.name}: {parameter.meaning}" in block
