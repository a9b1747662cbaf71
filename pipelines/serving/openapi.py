"""The description of the interface: OpenAPI 3.1, and a list in plain text."""

from __future__ import annotations

from typing import Any

from pipelines.serving.routes import CALENDAR, HEALTH, JSON, ROUTES, SUMMARY, Route

_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string", "description": "What happened, and what to do."}},
    "required": ["error"],
}
_CACHED = {"304": {"description": "Not modified since If-None-Match or If-Modified-Since."}}
_UNPUBLISHED = "Nothing is published yet, or the published file cannot be read."


def openapi(version: str) -> dict[str, Any]:
    """The OpenAPI description of all routes."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kalshi milestones",
            "version": version,
            "description": "The published milestones, read-only. All times are UTC. Answers change with each publish, "
            "and those about now every few seconds; send If-None-Match to get only what changed.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {route.path: {"get": _operation(route)} for route in ROUTES},
        "components": {"schemas": {"Error": _ERROR}},
    }


def _operation(route: Route) -> dict[str, Any]:
    responses: dict[str, Any] = {
        "200": {
            "description": route.summary,
            "content": {route.media_type.partition(";")[0]: {"schema": route.content}},
        },
        "400": _error("An unknown parameter, or a wrong value."),
    }
    if route.has_values:
        responses["404"] = _error("The published data do not have it.")
    if route is HEALTH:
        responses["503"] = {
            "description": "The data are older than max_age, or nothing is published.",
            "content": {JSON: {"schema": {"anyOf": [route.content, {"$ref": "#/components/schemas/Error"}]}}},
        }
    elif route.answer or route is SUMMARY:
        responses |= _CACHED | {"503": _error(_UNPUBLISHED)}
    if route is CALENDAR:
        responses["501"] = _error("The package icalendar is not installed.")
    name = route.path.strip("/").partition("/")[0].partition(".")[0] or "list"
    return {
        "operationId": name,
        "summary": route.summary,
        "parameters": [parameter.describe() for parameter in route.parameters],
        "responses": responses,
    }


def _error(description: str) -> dict[str, Any]:
    return {"description": description, "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}}


def listing() -> str:
    """Every route with its parameters, as text."""
    lines = []
    for route in ROUTES:
        lines += [route.path, f"    {route.summary}"]
        lines += [f"    {one.name}: {one.meaning}{_limits(one.default, one.maximum)}" for one in route.parameters]
    return "\n".join(lines) + "\n"


def _limits(default: Any, maximum: float | None) -> str:
    parts = {"Default": str(default).lower() if default is not None else None, "at most": maximum}
    known = [f"{name} {value}" for name, value in parts.items() if value is not None]
    text = ", ".join(known)
    return f" {text[0].upper()}{text[1:]}." if known else ""
