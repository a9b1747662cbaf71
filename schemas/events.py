"""Events: what is traded. Milestones name them by ticker."""

from __future__ import annotations

import msgspec

from schemas.api import JsonObject
from schemas.columns import not_empty, optional_text
from schemas.endpoint import EXTRA, LIFE, ByKeys, Endpoint, Listing, version_log
from schemas.table import BOOLEAN, TEXT, TIMESTAMP, Column, Table


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A record of `GET /events`. Without `event_ticker` it is refused; Kalshi has removed required fields before."""

    event_ticker: str
    series_ticker: str | None = None
    title: str | None = None
    sub_title: str | None = None
    category: str | None = None
    collateral_return_type: str | None = None
    mutually_exclusive: bool | None = None
    strike_date: str | None = None
    strike_period: str | None = None
    product_metadata: JsonObject | None = None
    settlement_sources: list[JsonObject] | None = None
    last_updated_ts: str | None = None


EVENT_TICKER = Column("event_ticker", TEXT, "The event's ticker.", "event_ticker", is_searched=True)


EVENTS_TABLE = Table(
    name="events",
    grain="event, as last seen",
    description="What is traded: the events that milestones name, and those updated since.",
    columns=(
        EVENT_TICKER,
        optional_text("series_ticker", "The series that the event belongs to."),
        optional_text("title", "Title."),
        optional_text("sub_title", "Second title, for example the date or the bound."),
        optional_text("category", "Category, documented as deprecated: that of the series counts."),
        optional_text("competition", "Competition, for example ATP Bastad.", "product_metadata.competition"),
        optional_text(
            "competition_scope", "Part of the competition, for example Game.", "product_metadata.competition_scope"
        ),
        Column(
            "mutually_exclusive",
            BOOLEAN,
            "At most one of its markets settles as yes.",
            "mutually_exclusive",
            nullable=True,
        ),
        Column(
            "strike_date",
            TIMESTAMP,
            "Date to which the event refers, UTC; NULL for an empty text.",
            "strike_date",
            nullable=True,
        ),
        optional_text("strike_period", "Period to which the event refers; NULL for an empty text."),
        optional_text("collateral_return_type", "How collateral is returned, for example MECNET; NULL if empty."),
        optional_text("settlement_sources", "The sources of settlement as JSON text: a list of names and URLs."),
        optional_text("product_metadata", "The object `product_metadata` as canonical JSON text."),
        EXTRA,
        *LIFE,
    ),
    key=("event_ticker",),
    rules=(not_empty("event_ticker"),),
)

EVENT_VERSIONS = version_log("event_versions", EVENT_TICKER, grain="an event")

EVENTS = Endpoint(
    name="events",
    title="events",
    path="/events",
    page_key="events",
    record=Event,
    key="event_ticker",
    log=EVENT_VERSIONS,
    tables=(EVENTS_TABLE,),
    cron="2-59/5 * * * *",
    listing=Listing(size="limit", limit=200, has_updates=True),
    by_keys=ByKeys(
        parameter="tickers",
        style="comma",
        at_most=200,
        wanted="SELECT event_ticker, max(start_date) FROM milestone_events JOIN milestones USING (milestone_id) "
        "GROUP BY event_ticker",
    ),
)
