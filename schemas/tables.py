"""The declarations of all tables. Names are the public interface: add columns, never rename them."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.compute as pc

from schemas.columns import (
    CONTENT_HASH,
    CONTENT_HASH_IS_WHOLE,
    RECORDS_ARE_ACCOUNTED_FOR,
    SWEEP_STATUSES,
    VALIDITY_RUNS_FORWARD,
    VERSION_IS_POSITIVE,
    not_empty,
    not_negative,
    one_of,
)
from schemas.leagues import LEAGUE_KEYS
from schemas.statuses import STATUS_GROUPS
from schemas.table import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DOUBLE,
    INTEGER,
    TEXT,
    TIMESTAMP,
    Column,
    Reference,
    Rule,
    Table,
)

SCHEMA_VERSION = 5
"""Version of the warehouse's schema and of everything published from it."""

KINDS = ("string", "integer", "number", "boolean", "null", "empty_object", "empty_array")
"""The JSON kinds of a leaf of `details`."""

SWEEP_MODES = ("full", "incremental", "by_id", "partial", "retry")


MILESTONE_ID = Column("milestone_id", TEXT, "The milestone's id, a lower-case UUID so far.", "id", is_searched=True)
OF_A_MILESTONE = Reference("milestone_id", "milestones", "milestone_id")

PAGES = Table(
    name="pages",
    grain="landed response of the API",
    description="Raw responses exactly as received, landed before anything reads them: a sweep can be replayed.",
    columns=(
        Column("page", INTEGER, "Number of the page in its sweep, from 1.", "counted"),
        Column("path", TEXT, "The request's path and parameters, without host.", "the request"),
        Column("cursor", TEXT, "The cursor that was sent; NULL for the first page.", "the request", nullable=True),
        Column("next_cursor", TEXT, "The cursor that came back; NULL at the end.", "cursor", nullable=True),
        Column("fetched_at", TIMESTAMP, "When the response was complete, UTC.", "our clock"),
        Column("records", INTEGER, "Milestones in the response.", "counted"),
        Column("body", BYTES, "The bytes of the response.", "the response"),
        Column("checksum", TEXT, "blake2b-128 of the other columns, 32 hexadecimal digits.", "computed"),
    ),
    key=("page",),
)

FIRST_SEEN_AT = Column("first_seen_at", TIMESTAMP, "When we first saw the milestone, UTC.", "our clock")
LAST_CHANGED_AT = Column("last_changed_at", TIMESTAMP, "When we first saw its present content, UTC.", "our clock")
VANISHED_AT = Column(
    "vanished_at",
    TIMESTAMP,
    "When it was found to be gone, UTC; NULL while the API has it.",
    "absence from full sweeps",
    nullable=True,
)
LAST_UPDATED_TS = Column(
    "last_updated_ts",
    TIMESTAMP,
    "When Kalshi last updated it, UTC, the newest seen; NULL for the zero time.",
    "last_updated_ts",
    nullable=True,
)
RECORD = Column("record", TEXT, "The whole record as canonical JSON.", "the whole record")

RECORDS = Table(
    name="records",
    grain="received milestone that could be decoded",
    description="Strictly decoded records with canonical JSON and content hash; staged, one set per sweep.",
    columns=(
        Column("page", INTEGER, "The page it came on.", "counted"),
        Column("position", INTEGER, "Its position on that page, from 0.", "counted"),
        MILESTONE_ID,
        CONTENT_HASH,
        LAST_UPDATED_TS,
        Column("seen_at", TIMESTAMP, "When its page was fetched, UTC.", "our clock"),
        RECORD,
    ),
    key=("page", "position"),
)

LATEST = Table(
    name="latest",
    grain="version that tables are derived from",
    description="A version, the one before it, and the milestone's dates in the version log.",
    columns=(
        MILESTONE_ID,
        Column("version", INTEGER, "Number of the version.", "counted"),
        CONTENT_HASH,
        LAST_UPDATED_TS,
        RECORD,
        FIRST_SEEN_AT,
        LAST_CHANGED_AT,
        VANISHED_AT,
        Column("sweep_id", TEXT, "The sweep that brought it.", "the sweep"),
        Column("previous_record", TEXT, "The version before.", "milestone_versions", nullable=True),
        Column("was_vanished_at", TIMESTAMP, "When the version before was found gone.", "our clock", nullable=True),
    ),
    key=("milestone_id", "version"),
)

MILESTONES = Table(
    name="milestones",
    grain="milestone, as last seen",
    description="Every milestone as last seen: a game, a race, an earnings call.",
    columns=(
        MILESTONE_ID,
        Column(
            "category",
            TEXT,
            "Category as sent; spellings vary (see category_group). NULL when absent or null.",
            "category",
            nullable=True,
        ),
        Column(
            "category_group",
            TEXT,
            "Category with synonyms and case folded by schemas/category_groups.csv; NULL without a category.",
            "category",
            nullable=True,
        ),
        Column("type", TEXT, "Kind of milestone, for example football_game.", "type"),
        Column("title", TEXT, "Title; Kalshi edits it. NULL when absent or null.", "title", nullable=True),
        Column("start_date", TIMESTAMP, "Start, UTC; NULL for the zero time.", "start_date", nullable=True),
        Column(
            "end_date",
            TIMESTAMP,
            "End, UTC; NULL when absent, null or the zero time, which is usual before the milestone is over.",
            "end_date",
            nullable=True,
        ),
        Column(
            "notification_message",
            TEXT,
            "Text of the start's notification; NULL when absent or null.",
            "notification_message",
            nullable=True,
        ),
        Column("source_id", TEXT, "Main provider's id; NULL when absent or null.", "source_id", nullable=True),
        Column(
            "main_event_ticker",
            TEXT,
            "Ticker of the main event, if details name one.",
            "details.main_game_event_ticker",
            nullable=True,
        ),
        Column("league", TEXT, f"The first of {', '.join(LEAGUE_KEYS)} that is text.", "details", nullable=True),
        Column("status", TEXT, "Status in details; goes stale.", "details.status", nullable=True),
        Column(
            "status_group",
            TEXT,
            f"The status as one of {', '.join(STATUS_GROUPS)}; unknown is a spelling that status_groups.csv does not "
            "list. NULL when the status is missing or empty. As stale as the status.",
            "details.status",
            nullable=True,
        ),
        Column(
            "details",
            TEXT,
            "The whole details object as canonical JSON text; NULL when absent or null.",
            "details",
            nullable=True,
        ),
        Column(
            "extra",
            TEXT,
            "Top-level fields that the API does not document, as canonical JSON text; NULL when there are none.",
            "every undocumented field",
            nullable=True,
        ),
        LAST_UPDATED_TS,
        Column(
            "is_simulated",
            BOOLEAN,
            "A simulated game in production: a ticker SIM<league>GAME, with or without a suffix after a hyphen, or a "
            "details.session_id.",
            "tickers, details.session_id",
        ),
        Column(
            "has_placeholder_dates",
            BOOLEAN,
            "Start or end is on 2000-01-01 or 2000-01-02, Kalshi's placeholder for an unknown date.",
            "start_date, end_date",
        ),
        Column(
            "start_is_tentative",
            BOOLEAN,
            "The start is not settled: it is NULL or a placeholder, or the status says so (time-tbd, postponed).",
            "start_date, details.status",
        ),
        Column(
            "has_future_update",
            BOOLEAN,
            "last_updated_ts is later than the fetch that brought it, so it cannot be true; the latest fetch counts.",
            "last_updated_ts, our clock",
        ),
        CONTENT_HASH,
        FIRST_SEEN_AT,
        LAST_CHANGED_AT,
        VANISHED_AT,
    ),
    key=("milestone_id",),
    rules=(
        not_empty("milestone_id"),
        not_empty("type"),
        one_of("status_group", STATUS_GROUPS),
        CONTENT_HASH_IS_WHOLE,
    ),
)

MILESTONE_EVENTS = Table(
    name="milestone_events",
    grain="milestone and event ticker",
    description="Which events depend on which milestone, both ticker arrays flattened.",
    columns=(
        MILESTONE_ID,
        Column(
            "event_ticker",
            TEXT,
            "Ticker of the event; opaque, never to be parsed.",
            "related_event_tickers, primary_event_tickers, details.main_game_event_ticker",
        ),
        Column("is_related", BOOLEAN, "Is in related_event_tickers.", "related_event_tickers"),
        Column("is_primary", BOOLEAN, "Is in primary_event_tickers.", "primary_event_tickers"),
        Column("is_main", BOOLEAN, "Is the main event that details name.", "details.main_game_event_ticker"),
        Column(
            "related_position",
            INTEGER,
            "First position in related_event_tickers, from 0; NULL when not in it.",
            "related_event_tickers",
            nullable=True,
        ),
        Column(
            "primary_position",
            INTEGER,
            "First position in primary_event_tickers, from 0; NULL when not in it.",
            "primary_event_tickers",
            nullable=True,
        ),
    ),
    key=("milestone_id", "event_ticker"),
    rules=(
        not_empty("event_ticker"),
        not_negative("related_position"),
        not_negative("primary_position"),
        Rule(
            "event_has_a_role",
            "event_ticker",
            "an event is related, primary or main",
            lambda t: pc.or_(pc.or_(t["is_related"], t["is_primary"]), t["is_main"]),
        ),
    ),
    references=(OF_A_MILESTONE,),
)

MILESTONE_SOURCES = Table(
    name="milestone_sources",
    grain="milestone and provider",
    description="Provider ids of a milestone; source_3_id is the Sportradar id that other venues carry.",
    columns=(
        MILESTONE_ID,
        Column("provider", TEXT, "The key in source_ids, for example source_3_id.", "source_ids"),
        Column("provider_id", TEXT, "The milestone's id at that provider.", "source_ids"),
    ),
    key=("milestone_id", "provider"),
    references=(OF_A_MILESTONE,),
)

MILESTONE_DETAILS = Table(
    name="milestone_details",
    grain="leaf of details",
    description="The details object as a long table, one row per leaf; lossless for any keys.",
    columns=(
        # The id repeats for every leaf, which DuckDB's compression stores once.
        replace(MILESTONE_ID, is_searched=False),
        Column(
            "path",
            TEXT,
            "Path of the leaf: season.week, competitor_ids[0]; a key that is not made of letters, digits, _ and - "
            'is a JSON string ("a.b"); empty where details is {} (kind empty_object) or missing (kind null).',
            "details",
        ),
        Column(
            "field",
            TEXT,
            "The path without array positions and with * for keys that are ids: competitor_ids[], "
            "player_id_mapping.*; it is path in details_fields.",
            "details",
        ),
        Column("kind", TEXT, f"JSON kind: {', '.join(KINDS)}.", "details"),
        Column(
            "value",
            TEXT,
            "The leaf as text: strings without quotes, numbers with all digits, true or false; NULL for null and for "
            "empty containers.",
            "details",
            nullable=True,
        ),
        Column(
            "value_number",
            DOUBLE,
            "The leaf as a double, for the kinds integer and number; exact digits are in value.",
            "details",
            nullable=True,
        ),
    ),
    key=("milestone_id", "path"),
    rules=(one_of("kind", KINDS),),
    references=(Reference("milestone_id", "milestones", "milestone_id", is_total=True),),
)

MILESTONE_ENTITIES = Table(
    name="milestone_entities",
    grain="milestone, role and position",
    description="The participants: structured-target ids with their roles, from every *_id and *_ids key of details.",
    columns=(
        MILESTONE_ID,
        Column(
            "role",
            TEXT,
            "The key without _id or _ids and, if several words remain, without the last one: home_team_id gives home, "
            "first_fighter_id gives first, competitor_ids gives competitor.",
            "details",
        ),
        Column("position", INTEGER, "Position in the array, from 0; 0 for a single id.", "details"),
        Column("entity_id", TEXT, "The structured target's id, a UUID.", "details"),
        Column("key", TEXT, "The key in details, for example home_team_id.", "details"),
    ),
    key=("milestone_id", "role", "position"),
    rules=(not_empty("role"), not_negative("position")),
    references=(OF_A_MILESTONE,),
)

MILESTONE_CHANGES = Table(
    name="milestone_changes",
    grain="change of a field between two versions",
    description="Field by field, what changed between two versions and when it was seen; one row per ticker added or "
    "removed.",
    columns=(
        MILESTONE_ID,
        Column("version", INTEGER, "The version that brought the change.", "milestone_versions"),
        Column(
            "position",
            INTEGER,
            "Number of the change in its version, from 1; 0 for the disappearance of the milestone.",
            "counted",
        ),
        Column(
            "field",
            TEXT,
            "title, start_date, details.status, source_ids.source_3_id, related_event_tickers ...; vanished_at when "
            "the milestone disappeared or came back.",
            "the two records",
        ),
        Column("old", TEXT, "The value before; NULL where there was none.", "the older record", nullable=True),
        Column("new", TEXT, "The value after; NULL where there is none.", "the newer record", nullable=True),
        Column("seen_at", TIMESTAMP, "When it was first seen, UTC.", "our clock"),
    ),
    key=("milestone_id", "version", "position"),
    rules=(not_empty("field"), not_negative("position")),
    references=(OF_A_MILESTONE,),
)

DETAILS_FIELDS = Table(
    name="details_fields",
    grain="type and path",
    description="The field catalogue: the fields of details by type, their JSON kinds, and the column of each.",
    columns=(
        Column("type", TEXT, "The milestones' type.", "type"),
        Column("path", TEXT, "The field, as in milestone_details.field.", "details"),
        Column("kinds", TEXT, "JSON kinds seen, sorted, separated by comma and blank.", "details"),
        Column("table_name", TEXT, "The type's own table.", "type"),
        Column("column_name", TEXT, "Its column there; NULL where it has none.", "path", nullable=True),
        Column("sql_type", TEXT, "The column's type; NULL where it has none.", "kinds", nullable=True),
        Column("records", BIGINT, "Versions in which it was seen.", "counted"),
        Column("first_seen_at", TIMESTAMP, "When it was first seen, UTC.", "our clock"),
        Column("last_seen_at", TIMESTAMP, "When the newest version with it was first seen, UTC.", "our clock"),
        Column("first_sweep_id", TEXT, "The sweep that brought it first.", "the sweep"),
        Column("example", TEXT, "The smallest value as text.", "details", nullable=True),
        Column("is_discarded", BOOLEAN, "Kept out of the columns by the contract discard.", "the contract"),
        Column(
            "discarded_kinds",
            TEXT,
            "The JSON kinds that the contract discard kept out, sorted, separated by comma and blank; NULL for none.",
            "the contract",
            nullable=True,
        ),
    ),
    key=("type", "path"),
)

EVIDENCE = Table(
    name="internal_evidence",
    grain="type, path and JSON kind",
    description="The input of the field catalogue: every kind of every field, counted over all versions.",
    columns=(
        Column("type", TEXT, "The milestones' type.", "type"),
        Column("path", TEXT, "The field, as in milestone_details.field.", "details"),
        Column("kind", TEXT, "JSON kind; big_integer beyond 64 bits; any counts the versions.", "details"),
        Column("records", BIGINT, "Versions in which it was seen.", "counted"),
        Column("first_seen_at", TIMESTAMP, "When it was first seen, UTC.", "our clock"),
        Column("last_seen_at", TIMESTAMP, "When the newest version with it was first seen, UTC.", "our clock"),
        Column("first_sweep_id", TEXT, "The sweep that brought it first.", "the sweep"),
        Column("example", TEXT, "The smallest value as text.", "details", nullable=True),
        Column("is_discarded", BOOLEAN, "Arrived under the contract discard.", "the contract"),
    ),
    key=("type", "path", "kind"),
)

ABSENCES = Table(
    name="internal_absences",
    grain="milestone missing from the last full sweep",
    description="Milestones missing from the last complete full sweep; if the next one misses them too, they are "
    "requested by id.",
    columns=(MILESTONE_ID, Column("sweep_id", TEXT, "That full sweep.", "the sweep")),
    key=("milestone_id",),
)

TOUCHED = Table(
    name="internal_touched",
    grain="loaded sweep and thing that it changed",
    description="What publishing must rewrite: one row for the sweep, two per milestone, one per typed table.",
    columns=(
        Column("sweep_id", TEXT, "The sweep.", "the sweep"),
        Column("milestone_id", TEXT, "A milestone with a changed row in any table; empty in other rows.", "id"),
        Column("table_name", TEXT, "A typed table that was created again or dropped; empty in other rows.", "computed"),
        Column("is_after", BOOLEAN, "The state of a milestone after the sweep; false: before it.", "computed"),
        Column("start_date", TIMESTAMP, "The milestone's start in that state.", "start_date", nullable=True),
    ),
    key=("sweep_id", "milestone_id", "table_name", "is_after"),
)

MILESTONE_VERSIONS = Table(
    name="milestone_versions",
    grain="distinct version of a milestone",
    description="The log that everything else is derived from: append-only, every version of every milestone.",
    columns=(
        MILESTONE_ID,
        Column("version", INTEGER, "Number of the version of its milestone, from 1.", "counted"),
        CONTENT_HASH,
        Column(
            "last_updated_ts",
            TIMESTAMP,
            "The newest last_updated_ts seen for this content, UTC; NULL for the zero time.",
            "last_updated_ts",
            nullable=True,
        ),
        Column("valid_from", TIMESTAMP, "When this version was first observed, UTC.", "our clock"),
        Column(
            "valid_to",
            TIMESTAMP,
            "When the next version was observed, or the milestone found gone, UTC; NULL while it is current.",
            "our clock",
            nullable=True,
        ),
        Column("sweep_id", TEXT, "The sweep that brought it.", "the sweep"),
        Column("record", TEXT, "The whole record as canonical JSON text, as first seen.", "the whole record"),
        Column("is_current", BOOLEAN, "Is the current version.", "computed", generated="valid_to IS NULL"),
    ),
    key=("milestone_id", "version"),
    rules=(
        CONTENT_HASH_IS_WHOLE,
        VERSION_IS_POSITIVE,
        VALIDITY_RUNS_FORWARD,
    ),
    references=(
        Reference("milestone_id", "milestones", "milestone_id", is_total=True),
        Reference("sweep_id", "sweeps", "sweep_id"),
    ),
)

QUARANTINE = Table(
    name="quarantine",
    grain="refused record",
    description="Records that were refused, whole, with the reason; nothing is dropped.",
    columns=(
        Column("sweep_id", TEXT, "The sweep that received it.", "the sweep"),
        Column("page", INTEGER, "The page it came on.", "counted"),
        Column("position", INTEGER, "Its position on that page, from 0.", "counted"),
        Column("milestone_id", TEXT, "Its id, if readable.", "id", nullable=True),
        Column("reason", TEXT, "What is wrong with it.", "computed"),
        Column("field", TEXT, "The field at fault, if there is one.", "computed", nullable=True),
        Column("record", TEXT, "The record as received; bytes that are not UTF-8 are written as \\xNN.", "the record"),
        Column("seen_at", TIMESTAMP, "When its page was fetched, UTC.", "our clock"),
    ),
    key=("sweep_id", "page", "position"),
    rules=(not_empty("reason"),),
    references=(Reference("sweep_id", "sweeps", "sweep_id"),),
)

SWEEPS = Table(
    name="sweeps",
    grain="run of a sweep",
    description="The ledger: what every sweep requested, received, stored and refused.",
    columns=(
        Column("sweep_id", TEXT, "Number and start of the sweep; sorts by age.", "counted"),
        Column("mode", TEXT, f"One of {', '.join(SWEEP_MODES)}.", "the request"),
        Column("status", TEXT, f"One of {', '.join(SWEEP_STATUSES)}.", "the outcome"),
        Column("started_at", TIMESTAMP, "When it began to fetch, UTC.", "our clock"),
        Column("finished_at", TIMESTAMP, "When it was loaded or failed, UTC.", "our clock"),
        Column("filters", TEXT, "Its filters, as JSON text; {} for none.", "the request"),
        Column("pages", INTEGER, "Pages landed.", "counted"),
        Column(
            "records",
            BIGINT,
            "Records received = new + changed + unchanged + superseded + quarantined.",
            "counted",
        ),
        Column("new", BIGINT, "Milestones never seen before.", "counted"),
        Column("changed", BIGINT, "Milestones with a new version.", "counted"),
        Column("unchanged", BIGINT, "Milestones with the same content as stored.", "counted"),
        Column("superseded", BIGINT, "Records replaced by a newer or equal one of the same milestone.", "counted"),
        Column("quarantined", BIGINT, "Records refused.", "counted"),
        Column("vanished", BIGINT, "Milestones found gone.", "counted"),
        Column("requests", BIGINT, "HTTP requests sent.", "counted"),
        Column("retries", BIGINT, "Requests sent again after a fault.", "counted"),
        Column("rate_limited", BIGINT, "Responses with status 429.", "counted"),
        Column("bytes", BIGINT, "Body bytes received, compressed as sent.", "counted"),
        Column(
            "watermark",
            TIMESTAMP,
            "Everything that Kalshi updated up to this time has been read, UTC; NULL for sweeps that cannot tell.",
            "last_updated_ts, our clock",
            nullable=True,
        ),
        Column(
            "is_complete",
            BOOLEAN,
            "Read everything that it requested, to the empty cursor; false for a sweep that failed or that --max-pages "
            "stopped.",
            "the outcome",
        ),
        Column("error", TEXT, "Why it failed; NULL when it did not.", "the outcome", nullable=True),
    ),
    key=("sweep_id",),
    rules=(
        one_of("mode", SWEEP_MODES),
        one_of("status", SWEEP_STATUSES),
        RECORDS_ARE_ACCOUNTED_FOR,
    ),
)

ARCHIVED_MILESTONES = Table(
    name="archived_milestones",
    grain="milestone that Kalshi no longer lists because it is history",
    description="Milestones that left the list together with all others that start before some day; their data stay "
    "current.",
    columns=(
        MILESTONE_ID,
        Column("archived_at", TIMESTAMP, "When a full sweep found it archived, UTC.", "our clock"),
        Column("sweep_id", TEXT, "That full sweep.", "the sweep"),
        Column(
            "answered_by_id",
            BOOLEAN,
            "Whether the API still returned it by id then; NULL if it was not in the sample.",
            "GET /milestones/{id}",
            nullable=True,
        ),
    ),
    key=("milestone_id",),
    references=(OF_A_MILESTONE, Reference("sweep_id", "sweeps", "sweep_id")),
)

FLAT_TABLES = (MILESTONES, MILESTONE_EVENTS, MILESTONE_SOURCES, MILESTONE_ENTITIES, MILESTONE_DETAILS)
"""Flattened from the latest version of a milestone, in the order in which they are loaded."""

KEPT_TABLES = (MILESTONE_VERSIONS, ARCHIVED_MILESTONES, QUARANTINE, SWEEPS)
"""Published tables of milestones that cannot be derived from others: rebuilds and migrations keep them."""

MILESTONE_TABLES = (*FLAT_TABLES, MILESTONE_CHANGES, DETAILS_FIELDS, *KEPT_TABLES)
"""The published tables of milestones; `schemas.endpoints` has those of other endpoints, and PUBLISHED_TABLES, all."""

DERIVED_TABLES = (*FLAT_TABLES, MILESTONE_CHANGES, DETAILS_FIELDS)
"""Derived from the version log alone: a rebuild creates them again from it."""

PRIVATE_TABLES = (EVIDENCE, ABSENCES, TOUCHED)
"""Internal state of the writer, not part of the public interface."""
