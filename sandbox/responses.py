"""Responses of all endpoints: JSON bodies and the refusals that several of them share."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from sandbox.query import BadParameterError

NOT_FOUND = b'{"error":{"code":"not_found","message":"not found"}}'


def as_json(body: bytes, status: int = 200) -> Response:
    """A response with this JSON."""
    return Response(body, status, media_type="application/json")


def refusing(error: BadParameterError) -> Response:
    """The refusal of a bad parameter."""
    return as_json(msgspec.json.encode({"msg": str(error)}), 400)
