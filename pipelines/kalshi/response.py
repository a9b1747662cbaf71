"""Parses response bodies: bytes in, ids and cursor out, or the reason why it cannot be done. No network.

A page is decoded only as far as paging needs: the content of milestones is decoded in `pipelines.records`, and one
unreadable milestone must not cost the other 499.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

import msgspec

from pipelines.escaping import printable
from schemas.api import raw_page_decoder, single_decoder


@dataclass(frozen=True, kw_only=True)
class Response:
    """One page, or one milestone, received in full.

    `body` is the JSON exactly as sent, decompressed. `ids` holds each milestone's id, in order, and a digest starting
    with "?" for a record whose id cannot be read; `starts` and `updates` their start_date and last_updated_ts as sent,
    "" where one cannot be read; `categories` and `types` as sent, None where one cannot be read. `next_cursor` is None
    on the last page; `fetched_at` is UTC; `url_path` is the path below the base URL; `limit` is the requested page
    size, None for a single milestone; `is_null` is set where the list was null.
    """

    body: bytes
    next_cursor: str | None
    ids: tuple[str, ...]
    fetched_at: datetime
    url_path: str
    starts: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    categories: tuple[str | None, ...] = ()
    types: tuple[str | None, ...] = ()
    limit: int | None = None
    is_null: bool = False

    @property
    def records(self) -> int:
        """The number of milestones in the response."""
        return len(self.ids)


@dataclass(frozen=True)
class Content:
    """A parsed body; the fields are those of `Response`."""

    body: bytes
    ids: tuple[str, ...]
    next_cursor: str | None = None
    starts: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    categories: tuple[str | None, ...] = ()
    types: tuple[str | None, ...] = ()
    is_null: bool = False


class NotJson(Exception):
    """The body is not a complete JSON document: it was cut (worth a retry) or does not come from the API."""


class UnexpectedShape(Exception):
    """The body is complete JSON of another shape than the API's; a retry would get the same."""


def read_page(body: bytes) -> Content:
    """Parse a page: `{"milestones": [...], "cursor": "..."}`, cursor "", null or absent on the last one.

    A list that is null is an empty page: sibling endpoints send null for empty lists. `null`, `[]`, a document without
    `milestones` and a cursor that is not text are errors: read as "no milestones" they would look like an API without
    any. Raises NotJson, UnexpectedShape.
    """
    try:
        heads, cursor = _heads(body)
    except (ValueError, RecursionError) as error:
        raise _fault(error, body) from error
    return Content(
        body,
        ids=tuple(head.id for head in heads or ()),
        next_cursor=cursor or None,
        starts=tuple(head.start_date for head in heads or ()),
        updates=tuple(head.last_updated_ts for head in heads or ()),
        categories=tuple(head.category for head in heads or ()),
        types=tuple(head.type for head in heads or ()),
        is_null=heads is None,
    )


def read_single(body: bytes) -> Content:
    """Parse one milestone: `{"milestone": {...}}`. Raises NotJson, UnexpectedShape."""
    try:
        milestone = single_decoder.decode(body).milestone
    except (ValueError, RecursionError) as error:
        raise _fault(error, body) from error
    return Content(body, (_readable_id(milestone),))


class _Head(msgspec.Struct):
    """The fields of a milestone that paging and the checks of filters read."""

    id: str
    start_date: str = ""
    last_updated_ts: str = ""
    category: str | None = None
    type: str | None = None


class _Page(msgspec.Struct):
    milestones: list[_Head] | None
    cursor: str | None = None


_head_decoder = msgspec.json.Decoder(_Head)
_page_decoder = msgspec.json.Decoder(_Page)


def _heads(body: bytes) -> tuple[list[_Head] | None, str | None]:
    """The heads of a page, None for a list that is null, and its cursor. Raises what msgspec raises.

    All heads are decoded in one pass; one by one only where that fails.
    """
    try:
        page = _page_decoder.decode(body)
    except (ValueError, RecursionError):
        raws = raw_page_decoder.decode(body)
        return [_head(raw) for raw in raws.milestones or ()], raws.cursor
    return page.milestones, page.cursor


def _head(raw: msgspec.Raw) -> _Head:
    try:
        return _head_decoder.decode(raw)
    except (ValueError, RecursionError):
        return _Head(_readable_id(raw))


class _Identity(msgspec.Struct):
    id: str


_identity_decoder = msgspec.json.Decoder(_Identity)


def _readable_id(raw: msgspec.Raw) -> str:
    """The id of a milestone, or a digest of its bytes where it has none: it will be quarantined."""
    try:
        return _identity_decoder.decode(raw).id
    except (ValueError, RecursionError):
        # No id starts with "?".
        return f"?{hashlib.blake2b(bytes(raw), digest_size=8).hexdigest()}"


def _fault(error: Exception, body: bytes) -> NotJson | UnexpectedShape:
    if isinstance(error, RecursionError):
        return UnexpectedShape("its JSON is nested too deeply")
    if isinstance(error, msgspec.ValidationError) and _is_complete_json(body):
        return UnexpectedShape(f"its JSON does not have the expected shape ({printable(str(error))})")
    # msgspec stops at the first wrong type, which may come before the place where the body was cut.
    return NotJson(f"its body is not complete JSON ({printable(str(error))})")


def _is_complete_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except ValueError:
        return False
    except RecursionError:
        return True
    return True
