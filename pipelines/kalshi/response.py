"""Parses response bodies: bytes in, ids and cursor out, or the reason why it cannot be done. No network.

A page is decoded only as far as paging needs: the content of records is decoded in `pipelines.records`, and one
unreadable record must not cost the others of its page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from pipelines.escaping import printable
from schemas.api import single_decoder
from schemas.endpoint import Endpoint
from schemas.endpoints import MILESTONES_ENDPOINT


@dataclass(frozen=True, kw_only=True)
class Response:
    """One page, or one milestone, received in full.

    `body` is the JSON exactly as sent, decompressed. `ids` holds each milestone's id, in order, and a digest starting
    with "?" for a record whose id cannot be read; `starts` and `updates` their start_date and last_updated_ts as sent,
    "" where one cannot be read; `categories` and `types` as sent, None where one cannot be read. `next_cursor` is None
    on the last page; `fetched_at` is UTC; `url_path` is the path below the base URL; `limit` is the requested page
    size, None for a single milestone; `is_null` is set where the list was null, `has_other_cursor` where the page has
    no `cursor`, but another text that is named like one.
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
    has_other_cursor: bool = False

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
    has_other_cursor: bool = False


class NotJson(Exception):
    """The body is not a complete JSON document: it was cut (worth a retry) or does not come from the API."""


class UnexpectedShape(Exception):
    """The body is complete JSON of another shape than the API's; a retry would get the same."""


def read_page(body: bytes) -> Content:
    """Parse a page of milestones; see `page_reader`."""
    return page_reader(MILESTONES_ENDPOINT)(body)


@cache
def page_reader(endpoint: Endpoint) -> Callable[[bytes], Content]:
    """A function that parses a page: `{"<page key>": [...], "cursor": "..."}`, cursor "", null or absent at the end.

    A list that is null is an empty page: the API sends null for empty lists. `null`, `[]`, a document without the list
    and a cursor that is not text are errors: read as "no records" they would look like an API without any. The function
    raises NotJson, UnexpectedShape.
    """
    head: Any = msgspec.defstruct(
        "Head",
        [
            ("id", str),
            ("start_date", str, ""),
            ("last_updated_ts", str | None, None),
            ("category", str | None, None),
            ("type", str | None, None),
        ],
        rename={"id": endpoint.key},
    )
    decoder = msgspec.json.Decoder(head)
    page_fields: list[Any] = [("records", list[head] | None), ("cursor", str | None, None)]
    page_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
        msgspec.defstruct("Page", page_fields, rename={"records": endpoint.page_key})
    )

    def read_head(raw: msgspec.Raw) -> Any:
        try:
            return decoder.decode(raw)
        except (ValueError, RecursionError):
            return head(_readable_key(endpoint, raw))

    def read(body: bytes) -> Content:
        try:
            # All heads are decoded in one pass; one by one only where that fails.
            page = page_decoder.decode(body)
            heads = page.records
        except (ValueError, RecursionError):
            try:
                page = endpoint.raw_page_decoder.decode(body)
            except (ValueError, RecursionError) as error:
                raise _fault(error, body) from error
            heads = None if page.records is None else [read_head(raw) for raw in page.records]
        return Content(
            body,
            ids=tuple(one.id for one in heads or ()),
            next_cursor=page.cursor or None,
            starts=tuple(one.start_date for one in heads or ()),
            updates=tuple(one.last_updated_ts or "" for one in heads or ()),
            categories=tuple(one.category for one in heads or ()),
            types=tuple(one.type for one in heads or ()),
            is_null=heads is None,
            has_other_cursor=page.cursor is None and _has_other_cursor(body),
        )

    return read


def _has_other_cursor(body: bytes) -> bool:
    """Whether a page has a text that is named like a cursor: the API may have renamed the field."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    # The shortest text that is not empty has three characters, with its quotes.
    return any(
        "cursor" in name.lower() and len(bytes(raw)) > 2 and bytes(raw)[:1] == b'"' for name, raw in members.items()
    )


def read_single(body: bytes) -> Content:
    """Parse one milestone: `{"milestone": {...}}`. Raises NotJson, UnexpectedShape."""
    try:
        milestone = single_decoder.decode(body).milestone
    except (ValueError, RecursionError) as error:
        raise _fault(error, body) from error
    return Content(body, (_readable_key(MILESTONES_ENDPOINT, milestone),))


def _readable_key(endpoint: Endpoint, raw: msgspec.Raw) -> str:
    """The key of a record, or a digest of its bytes where it has none: it will be quarantined."""
    try:
        key: str = endpoint.head_decoder.decode(raw).key
    except (ValueError, RecursionError):
        # No key starts with "?".
        return f"?{hashlib.blake2b(bytes(raw), digest_size=8).hexdigest()}"
    return key


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
