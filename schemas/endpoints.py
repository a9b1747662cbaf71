"""All endpoints, and the tables that they share: ledger, quarantine, unknown keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from schemas.api import EXPECTED_FIELDS, PAGE_LIMIT, Milestone
from schemas.columns import RECORDS_ARE_ACCOUNTED_FOR, SWEEP_STATUSES, not_empty, one_of
from schemas.endpoint import Endpoint, Listing
from schemas.events import EVENTS
from schemas.live_data import LIVE_ENDPOINT
from schemas.series import SERIES
from schemas.table import BIGINT, INTEGER, TEXT, TIMESTAMP, Column, Table
from schemas.tables import FLAT_TABLES, MILESTONE_TABLES, MILESTONE_VERSIONS, QUARANTINE, SWEEPS
from schemas.targets import TARGETS

MILESTONES_ENDPOINT = Endpoint(
    name="milestones",
    title="milestones",
    path="/milestones",
    page_key="milestones",
    record=Milestone,
    key="id",
    log=MILESTONE_VERSIONS,
    tables=FLAT_TABLES,
    cron="*/5 * * * *",
    listing=Listing(size="limit", limit=PAGE_LIMIT, every=timedelta(days=1), has_updates=True),
    expected=EXPECTED_FIELDS,
    times=("start_date", "end_date", "last_updated_ts"),
    has_empty_times=False,
)
"""Milestones have a pipeline with stages of its own (`pipelines.sweep`): scans in parallel, absences, typed tables."""

ENDPOINTS = (TARGETS, EVENTS, SERIES, LIVE_ENDPOINT)
"""The endpoints beside milestones, in the order in which they are refreshed."""

MODES = ("full", "incremental", "by_key")

_COUNTED = {column.name: column for column in SWEEPS.columns}
_OF_AN_ENDPOINT = Column("endpoint", TEXT, f"One of {', '.join(one.name for one in ENDPOINTS)}.", "the request")

ENDPOINT_SWEEPS = Table(
    name="endpoint_sweeps",
    grain="sweep of an endpoint beside milestones",
    description="The ledger of all other endpoints: what every sweep requested, received, stored and refused.",
    columns=(
        _OF_AN_ENDPOINT,
        Column("sweep_id", TEXT, "Number and start of the sweep; sorts by age within its endpoint.", "counted"),
        Column("mode", TEXT, f"One of {', '.join(MODES)}.", "the request"),
        *(_COUNTED[name] for name in ("status", "started_at", "finished_at", "pages", "records")),
        replace(_COUNTED["new"], description="Records never seen before."),
        replace(_COUNTED["changed"], description="Records with a new version."),
        replace(_COUNTED["unchanged"], description="Records with the same content as stored."),
        replace(_COUNTED["superseded"], description="Records replaced by a newer or equal one with the same key."),
        _COUNTED["quarantined"],
        Column("requested_keys", BIGINT, "Keys that were requested one by one.", "counted"),
        Column("unknown_keys", BIGINT, "Requested keys that the API did not return.", "counted"),
        Column(
            "remaining_keys", BIGINT, "Keys left for the next sweep, as the requests of one are limited.", "counted"
        ),
        *(_COUNTED[name] for name in ("requests", "retries", "rate_limited", "bytes")),
        Column(
            "watermark",
            TIMESTAMP,
            "All updates up to this time have been read, UTC; NULL if the sweep did not reach the end of the list.",
            "our clock",
            nullable=True,
        ),
        Column(
            "next_cursor",
            TEXT,
            "Where the next sweep continues a list whose end this one did not reach; NULL if it did.",
            "cursor",
            nullable=True,
        ),
        Column(
            "list_began_at",
            TIMESTAMP,
            "When the reading of the list began, perhaps in an earlier sweep, UTC; NULL if no list was read.",
            "our clock",
            nullable=True,
        ),
        _COUNTED["error"],
    ),
    key=("endpoint", "sweep_id"),
    rules=(one_of("mode", MODES), one_of("status", SWEEP_STATUSES), RECORDS_ARE_ACCOUNTED_FOR),
)

_REFUSED = {column.name: column for column in QUARANTINE.columns}

ENDPOINT_QUARANTINE = Table(
    name="endpoint_quarantine",
    grain="refused record of an endpoint beside milestones",
    description="Records of all other endpoints that were refused, whole, with the reason; nothing is dropped.",
    columns=(
        _OF_AN_ENDPOINT,
        *(_REFUSED[name] for name in ("sweep_id", "page", "position")),
        Column("key", TEXT, "Its key, if readable.", "id, event_ticker, ticker or milestone_id", nullable=True),
        *(_REFUSED[name] for name in ("reason", "field", "record", "seen_at")),
    ),
    key=("endpoint", "sweep_id", "page", "position"),
    rules=(not_empty("reason"),),
)

UNKNOWN_KEYS = Table(
    name="unknown_keys",
    grain="key that milestones name and the API does not know",
    description="Ids of structured targets and event tickers that milestones name, but that the API did not return.",
    columns=(
        _OF_AN_ENDPOINT,
        Column("key", TEXT, "The id or the ticker.", "the request", is_searched=True),
        Column("first_asked_at", TIMESTAMP, "When it was first requested, UTC.", "our clock"),
        Column("last_asked_at", TIMESTAMP, "When it was last requested, UTC.", "our clock"),
        Column("times_asked", INTEGER, "How often it was requested.", "counted"),
    ),
    key=("endpoint", "key"),
)

ENDPOINT_DERIVED_TABLES = tuple(table for endpoint in ENDPOINTS for table in endpoint.tables)
"""Derived from the version logs of the endpoints alone."""

ENDPOINT_KEPT_TABLES = (*(endpoint.log for endpoint in ENDPOINTS), ENDPOINT_SWEEPS, ENDPOINT_QUARANTINE, UNKNOWN_KEYS)

ENDPOINT_TABLES = (*ENDPOINT_DERIVED_TABLES, *ENDPOINT_KEPT_TABLES)

PUBLISHED_TABLES = (*MILESTONE_TABLES, *ENDPOINT_TABLES)
"""In the warehouse, the published DuckDB file and every Parquet snapshot, in addition to the tables details_<type>."""
