"""Parameters of requests: one declaration each, which validates values and becomes the OpenAPI description."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from pipelines.serving.errors import Refused, bad_request, quoted

Kind = Literal["text", "texts", "integer", "number", "time", "flag"]

TEXT_CHARACTERS_MAX = 200
TEXTS_MAX = 50
QUERY_CHARACTERS_MAX = 8_000

_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a route.

    `texts` can be repeated, for several alternatives, and ignores case. `time` is RFC 3339 or a date (UTC). A `text` is
    in the path and required; all others are in the query.
    """

    name: str
    kind: Kind
    meaning: str
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None

    def value(self, given: Sequence[str]) -> Any:
        """The value of the given texts. Raises Refused."""
        if self.kind == "texts":
            return self._texts(given)
        if len(given) > 1:
            raise bad_request(f"{self.name} is given {len(given)} times: give it once")
        match self.kind:
            case "text":
                return self._short(given[0])
            case "flag":
                if given[0] not in _FLAGS:
                    raise self._wrong(given[0], "true or false")
                return _FLAGS[given[0]]
            case "time":
                return self._time(given[0])
        return self._number(given[0])

    def _texts(self, given: Sequence[str]) -> tuple[str, ...]:
        if len(given) > TEXTS_MAX:
            raise bad_request(f"{self.name} is given {len(given)} times: give it at most {TEXTS_MAX} times")
        if "" in given:
            raise bad_request(f"{self.name} is empty: give a value, or leave the parameter out")
        # Sorted, so that equal questions have one answer in the cache.
        return tuple(sorted({self._short(text).lower() for text in given}))

    def _short(self, text: str) -> str:
        if len(text) > TEXT_CHARACTERS_MAX:
            raise bad_request(f"{self.name} has {len(text)} characters: give at most {TEXT_CHARACTERS_MAX}")
        return text

    def _number(self, text: str) -> float:
        convert = int if self.kind == "integer" else float
        wanted = f"{'a whole number' if self.kind == 'integer' else 'a number'}{self._bounds()}"
        # int() and float() also take underscores, spaces and digits of other scripts.
        if not text.isascii() or "_" in text or text != text.strip() or len(text) > 20:
            raise self._wrong(text, wanted)
        try:
            value = convert(text)
        except ValueError:
            raise self._wrong(text, wanted) from None
        low, high = self.minimum, self.maximum
        if not math.isfinite(value) or (low is not None and value < low) or (high is not None and value > high):
            raise self._wrong(text, wanted)
        return value

    def _bounds(self) -> str:
        if self.minimum is None or self.maximum is None:
            return ""
        return f" from {self.minimum:.0f} to {self.maximum:.0f}"

    def _time(self, text: str) -> datetime:
        try:
            time = datetime.fromisoformat(text)
            return (time.replace(tzinfo=UTC) if time.tzinfo is None else time).astimezone(UTC)
        except (ValueError, OverflowError):
            raise self._wrong(text, "a time in UTC such as 2026-11-27T18:00:00Z, or a date") from None

    def _wrong(self, text: str, wanted: str) -> Refused:
        return bad_request(f"{self.name} is {quoted(text)}: give {wanted}")

    def describe(self) -> dict[str, Any]:
        """The parameter in OpenAPI."""
        is_in_path = self.kind == "text"
        return {
            "name": self.name,
            "in": "path" if is_in_path else "query",
            "required": is_in_path,
            "description": self.meaning,
            "schema": self._schema(),
        }

    def _schema(self) -> dict[str, Any]:
        text: dict[str, Any] = {"type": "string", "maxLength": TEXT_CHARACTERS_MAX}
        schema: dict[str, Any] = {
            "text": text,
            "texts": {"type": "array", "items": text | {"minLength": 1}, "maxItems": TEXTS_MAX},
            "integer": {"type": "integer"},
            "number": {"type": "number"},
            "time": {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]},
            "flag": {"type": "boolean"},
        }[self.kind]
        known = {"default": self.default, "minimum": self.minimum, "maximum": self.maximum}
        return schema | {name: value for name, value in known.items() if value is not None}


def read_query(query: bytes, path: str, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """The value of every query parameter of a route, with defaults. Raises Refused for unknown names and bad values."""
    if len(query) > QUERY_CHARACTERS_MAX:
        raise Refused(414, f"the query has {len(query)} characters: send at most {QUERY_CHARACTERS_MAX}")
    known = {parameter.name: parameter for parameter in parameters if parameter.kind != "text"}
    given: dict[str, list[str]] = {}
    for name, text in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name not in known:
            choice = f"use {', '.join(known)}" if known else "it takes none"
            raise bad_request(f"{path} has no parameter {quoted(name)}: {choice}")
        given.setdefault(name, []).append(text)
    return {
        name: parameter.value(given[name]) if name in given else parameter.default for name, parameter in known.items()
    }


def write_query(values: Mapping[str, Any], parameters: Sequence[Parameter]) -> str:
    """The query for these values, without those that are defaults."""
    defaults = {parameter.name: parameter.default for parameter in parameters if parameter.kind != "text"}
    given = {name: _text(values[name]) for name, default in defaults.items() if values[name] != default}
    return urlencode(given, doseq=True)


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value).lower() if isinstance(value, bool) else value
