"""Series: the families that events belong to."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from schemas.columns import not_empty, optional_text
from schemas.endpoint import EXTRA, LIFE, Endpoint, Listing, version_log
from schemas.table import TEXT, Column, Table


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """A record of `GET /series`. Without `ticker` it is refused."""

    ticker: str
    title: str | None = None
    category: str | None = None
    categories: list[str] | None = None
    frequency: str | None = None
    tags: list[str] | None = None
    last_updated_ts: str | None = None


SERIES_TICKER = Column("series_ticker", TEXT, "The series' ticker.", "ticker", is_searched=True)


SERIES_TABLE = Table(
    name="series",
    grain="series, as last seen",
    description="The families that events belong to.",
    columns=(
        SERIES_TICKER,
        optional_text("title", "Title."),
        optional_text("category", "Category."),
        optional_text("categories", "All its categories as JSON text."),
        optional_text("frequency", "How often it has an event, for example daily or custom."),
        optional_text("tags", "Its tags as JSON text; NULL where the API sends null."),
        EXTRA,
        *LIFE,
    ),
    key=("series_ticker",),
    rules=(not_empty("series_ticker"),),
)

SERIES = Endpoint(
    name="series",
    title="series",
    path="/series",
    page_key="series",
    record=Series,
    key="ticker",
    log=version_log("series_versions", SERIES_TICKER, grain="a series"),
    tables=(SERIES_TABLE,),
    cron="41 3 * * *",
    listing=Listing(every=timedelta(hours=20)),
)
