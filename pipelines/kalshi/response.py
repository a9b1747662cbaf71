"""What a good answer is: bytes in, an answer or a reason why not out. No network.

A page is decoded only as far as its envelope: what its milestones hold is not the client's business, and one
that cannot be read must not cost the other 499.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

import msgspec

from pipelines.escaping import printable
from schemas.api import raw_page_decoder, single_decoder


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One good answer.

    `body` is the JSON exactly as sent (content encoding undone); `ids` holds each milestone's id, in order, and a
    digest for a record whose id cannot be read; `starts` and `updates` their start_date and last_updated_ts as sent,
    "" where one cannot be read; `categories` and `types` as sent, None where one cannot be read; `next_cursor` is None
    on the last page; `fetched_at` is UTC; `url_path` is the path below the base URL. `limit` is the page size that was
    requested, None for a single milestone. `is_null` says that the list came as null.
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
        """Milestones in the answer."""
        return len(self.ids)


@dataclass(frozen=True)
class Content:
    """A body that was decoded far enough to be trusted."""

    body: bytes
    ids: tuple[str, ...]
    next_cursor: str | None = None
    starts: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    categories: tuple[str | None, ...] = ()
    types: tuple[str | None, ...] = ()
    is_null: bool = False


class NotJson(Exception):
    """The body is no whole JSON document: a cut answer (another try cures it) or not the API's at all."""


class BrokenContract(Exception):
    """A whole document that is not what was asked for; asked again, it will be the same."""


def read_page(body: bytes) -> Content:
    """A page of milestones: `{"milestones": [...], "cursor": "..."}`, cursor "", null or absent at the end.

    A list that is null is an empty page: sibling endpoints send null for empty lists. `null`, `[]`, a document without
    `milestones` and a cursor that is no text break the contract: read as "no milestones" they would pass for an empty
    world. Raises NotJson, BrokenContract.
    """
    try:
        heads, cursor = _heads(body)
    except (ValueError, RecursionError) as error:
        raise _why_not(error, body) from error
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
    """One milestone: `{"milestone": {...}}`. Raises NotJson, BrokenContract."""
    try:
        milestone = single_decoder.decode(body).milestone
    except (ValueError, RecursionError) as error:
        raise _why_not(error, body) from error
    return Content(body, (_identity(milestone),))


class _Head(msgspec.Struct):
    """What a milestone says of itself to a sweep."""

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
    """The heads of a page and its cursor; None for a list that is null. Raises what msgspec raises.

    All heads are decoded in one go, or one by one where that does not succeed.
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
        return _Head(_identity(raw))


class _Identity(msgspec.Struct):
    id: str


_identity_decoder = msgspec.json.Decoder(_Identity)


def _identity(raw: msgspec.Raw) -> str:
    try:
        return _identity_decoder.decode(raw).id
    except (ValueError, RecursionError):
        # It will be quarantined; until then its own bytes tell it from others. No id begins like this.
        return f"?{hashlib.blake2b(bytes(raw), digest_size=8).hexdigest()}"


def _why_not(error: Exception, body: bytes) -> NotJson | BrokenContract:
    if isinstance(error, RecursionError):
        return BrokenContract("its JSON is nested too deeply")
    if isinstance(error, msgspec.ValidationError) and _is_whole_json(body):
        return BrokenContract(f"its JSON is not what was asked for ({printable(str(error))})")
    # msgspec stops at the first wrong type, which may stand before the place where the body was cut.
    return NotJson(f"its body is no whole JSON ({printable(str(error))})")


def _is_whole_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except ValueError:
        return False
    except RecursionError:
        return True
    return True
