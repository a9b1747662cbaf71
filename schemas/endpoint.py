"""The description of an endpoint of the API: how it is read, what identifies its records, which tables it fills.

A new endpoint is one such description (and its flatten function in `pipelines.flatten`): everything else, from landing
to publishing, is the same code for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal

import msgspec

from schemas.api import JsonObject, exact_number
from schemas.columns import CONTENT_HASH, CONTENT_HASH_IS_WHOLE, VALIDITY_RUNS_FORWARD, VERSION_IS_POSITIVE, not_empty
from schemas.table import BOOLEAN, INTEGER, TEXT, TIMESTAMP, Column, Table


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A list that is read page by page.

    `size` is the parameter of the page size and `limit` its maximum; None for a list without pages. `every` is the time
    after which the whole list is read again; None for a list that is never read as a whole. `has_updates` says that it
    can be limited by `min_updated_ts`. `cursor_is_last_key` says that a cursor is the last key of its page, so that a
    full page without a cursor can be continued.
    """

    size: str | None = None
    limit: int = 0
    every: timedelta | None = None
    has_updates: bool = False
    cursor_is_last_key: bool = False


@dataclass(frozen=True, kw_only=True)
class ByKeys:
    """Requests for given keys, in the parameter `parameter`: repeated, or one value separated by commas.

    `wanted` is an SQL query, on the published file, of all keys that its tables name, and of a time for each: the
    latest come first. Where `is_repeated` is False only keys that are not stored are requested, and keys that the API
    does not return are noted as unknown; else every key is requested each time. The query may use the parameter $now.
    """

    parameter: str
    style: Literal["repeated", "comma"]
    at_most: int
    wanted: str
    is_repeated: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Endpoint:
    """An endpoint. Records are JSON objects under `page_key`, typed by `record` and identified by its field `key`.

    - `log`: the version log, from `version_log`; `tables`: derived from the current versions, the first one has one
      row per record and starts with the log's key column.
    - `expected`: fields documented as required that a record may lack; they are counted.
    - `times`: fields with RFC 3339 text; a record in which one cannot be read is quarantined. An empty text counts as
      absent where `has_empty_times` is set.
    - `volatile`: paths of fields whose change makes no new version.
    - `cron`: when the schedule runs.
    """

    name: str
    title: str
    path: str
    page_key: str
    record: type[msgspec.Struct]
    key: str
    log: Table
    tables: tuple[Table, ...]
    cron: str
    listing: Listing | None = None
    by_keys: ByKeys | None = None
    expected: tuple[str, ...] = ()
    times: tuple[str, ...] = ("last_updated_ts",)
    has_empty_times: bool = True
    volatile: tuple[tuple[str, ...], ...] = (("last_updated_ts",),)

    @property
    def key_column(self) -> str:
        """The column of the log and of every table that holds the key."""
        return self.log.key[0]

    @property
    def has_flat_log(self) -> bool:
        """Whether the log has columns of flattened values."""
        return any(name not in LOG_COLUMNS for name in self.log.stored_columns[1:])

    @cached_property
    def known_fields(self) -> frozenset[str]:
        """The fields that the typed record has."""
        return frozenset(field.encode_name for field in msgspec.structs.fields(self.record))

    @cached_property
    def page_decoder(self) -> msgspec.json.Decoder[Any]:
        """Decodes a page to `records`, a list of objects or None, and `cursor`."""
        return msgspec.json.Decoder(self._page(list[JsonObject] | None), float_hook=exact_number)

    @cached_property
    def raw_page_decoder(self) -> msgspec.json.Decoder[Any]:
        """Decodes a page with every record left as bytes, so that one that cannot be decoded costs only itself."""
        return msgspec.json.Decoder(self._page(list[msgspec.Raw] | None))

    @cached_property
    def head_decoder(self) -> msgspec.json.Decoder[Any]:
        """Decodes of a record only its `key`."""
        return msgspec.json.Decoder(msgspec.defstruct("Head", [("key", str)], rename={"key": self.key}, frozen=True))

    def _page(self, records: Any) -> type[msgspec.Struct]:
        return msgspec.defstruct(
            "Page", [("records", records), ("cursor", str | None, None)], rename={"records": self.page_key}, frozen=True
        )


LOG_COLUMNS = ("version", "content_hash", "last_updated_ts", "valid_from", "valid_to", "sweep_id", "record")
"""The stored columns of every version log, after its key."""


def version_log(name: str, key: Column, *, grain: str, extra: tuple[Column, ...] = ()) -> Table:
    """The version log of an endpoint: every distinct version of every record. `extra` are columns of flattened values.

    It is append-only: of a stored row only `valid_to` and an advancing `last_updated_ts` are written.
    """
    return Table(
        name=name,
        grain=f"distinct version of {grain}",
        description=f"Every version of {grain}, with the times between which it was current. The log is append-only.",
        columns=(
            key,
            Column("version", INTEGER, "Number of the version, from 1.", "counted"),
            CONTENT_HASH,
            Column(
                "last_updated_ts",
                TIMESTAMP,
                "The newest last_updated_ts seen for this content, UTC; NULL if none was sent.",
                "last_updated_ts",
                nullable=True,
            ),
            Column("valid_from", TIMESTAMP, "When this version was first observed, UTC.", "our clock"),
            Column(
                "valid_to",
                TIMESTAMP,
                "When the next version was observed, UTC; NULL while it is current.",
                "our clock",
                nullable=True,
            ),
            Column("sweep_id", TEXT, "The sweep that brought it, of `endpoint_sweeps`.", "the sweep"),
            *extra,
            Column("record", TEXT, "The whole record as canonical JSON text, as first seen.", "the whole record"),
            Column("is_current", BOOLEAN, "Is the current version.", "computed", generated="valid_to IS NULL"),
        ),
        key=(key.name, "version"),
        rules=(not_empty(key.name), CONTENT_HASH_IS_WHOLE, VERSION_IS_POSITIVE, VALIDITY_RUNS_FORWARD),
    )


FIRST_SEEN_AT = Column("first_seen_at", TIMESTAMP, "When we first saw it, UTC.", "our clock")
LAST_CHANGED_AT = Column("last_changed_at", TIMESTAMP, "When we first saw its present content, UTC.", "our clock")
LAST_UPDATED_TS = Column(
    "last_updated_ts",
    TIMESTAMP,
    "When Kalshi last updated it, UTC, the newest seen; NULL if it was never sent.",
    "last_updated_ts",
    nullable=True,
)
EXTRA = Column(
    "extra",
    TEXT,
    "Fields that have no column here, as a JSON object; NULL if there are none.",
    "all other fields",
    nullable=True,
)
LIFE = (LAST_UPDATED_TS, FIRST_SEEN_AT, LAST_CHANGED_AT)
"""The columns that come from the version log, the last ones of every endpoint's first table."""

Flatten = Callable[[str, JsonObject], dict[str, list[dict[str, Any]]]]
"""A flatten function: the key and the record in, rows (values by column) by table out.

The columns of LIFE are added later. Rows of the log hold its `extra` columns.
"""
