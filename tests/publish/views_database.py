"""The published tables in memory with the views on them, to be filled row by row."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import duckdb

from pipelines.publish.views import create_views
from schemas.endpoints import ENDPOINT_QUARANTINE, ENDPOINT_SWEEPS, PUBLISHED_TABLES, UNKNOWN_KEYS
from schemas.events import EVENT_VERSIONS, EVENTS_TABLE
from schemas.live_data import LIVE_DATA
from schemas.series import SERIES_TABLE
from schemas.sql import quote
from schemas.statuses import status_group
from schemas.table import Table
from schemas.tables import MILESTONE_ENTITIES, MILESTONE_EVENTS, MILESTONES
from schemas.targets import STRUCTURED_TARGETS
from tests.support import NOON

AT = f"at_time := '{NOON:%Y-%m-%d %H:%M:%SZ}'"

_LIFE = {"first_seen_at": NOON, "last_changed_at": NOON}
_VERSION: dict[str, Any] = {
    "version": 1,
    "content_hash": "0" * 32,
    "valid_from": NOON,
    "sweep_id": "000001-20261122T120000Z",
    "record": "{}",
}


def after(**delta: float) -> datetime:
    return NOON + timedelta(**delta)


class Database:
    """The published tables in memory, filled row by row, with the views on them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        for table in PUBLISHED_TABLES:
            table.create(connection.execute)
        create_views(connection)

    def add(self, table: Table, **fields: Any) -> None:
        names = ", ".join(map(quote, fields))
        marks = ", ".join("?" for _ in fields)
        self.connection.execute(f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})", list(fields.values()))

    def milestone(self, milestone_id: str, start: datetime | str | None, **fields: Any) -> None:
        row: dict[str, Any] = dict.fromkeys(MILESTONES.arrow_schema.names, None) | {
            "milestone_id": milestone_id,
            "start_date": start,
            "category": "Sports",
            "category_group": "Sports",
            "type": "football_game",
            "title": f"Game {milestone_id}",
            "notification_message": "",
            "details": "{}",
            "last_updated_ts": after(hours=-1),
            "is_simulated": False,
            "has_placeholder_dates": False,
            "start_is_tentative": False,
            "status_group": status_group(fields.get("status")),
            "has_future_update": False,
            "content_hash": "0" * 32,
            "first_seen_at": NOON,
            "last_changed_at": NOON,
        }
        self.add(MILESTONES, **(row | fields))

    def event(self, ticker: str, milestone_id: str, role: str = "related") -> None:
        roles = {f"is_{name}": name in role.split() for name in ("related", "primary", "main")}
        self.add(MILESTONE_EVENTS, milestone_id=milestone_id, event_ticker=ticker, **roles)

    def participant(self, milestone_id: str, role: str, position: int = 0, *, entity_id: str) -> None:
        self.add(
            MILESTONE_ENTITIES, milestone_id=milestone_id, role=role, position=position, entity_id=entity_id, key=role
        )

    def target(self, target_id: str, name: str | None, **fields: Any) -> None:
        self.add(STRUCTURED_TARGETS, **({"target_id": target_id, "name": name} | _LIFE | fields))

    def traded(self, ticker: str, title: str | None, series_ticker: str | None = None) -> None:
        """An event as the API knows it."""
        self.add(EVENTS_TABLE, event_ticker=ticker, title=title, series_ticker=series_ticker, **_LIFE)
        self.add(EVENT_VERSIONS, event_ticker=ticker, **_VERSION)

    def series(self, ticker: str, title: str | None) -> None:
        self.add(SERIES_TABLE, series_ticker=ticker, title=title, **_LIFE)

    def live(self, milestone_id: str, *, status: str | None, **fields: Any) -> None:
        row = _VERSION | {"milestone_id": milestone_id, "status": status, "status_group": status_group(status)}
        self.add(LIVE_DATA, **(row | fields))

    def unknown(self, endpoint: str, key: str) -> None:
        times = {"first_asked_at": NOON, "last_asked_at": NOON, "times_asked": 1}
        self.add(UNKNOWN_KEYS, endpoint=endpoint, key=key, **times)

    def refuse(self, endpoint: str, key: str | None, **fields: Any) -> None:
        (position,) = self.rows("SELECT count(*) FROM endpoint_quarantine")[0]
        row = {"endpoint": endpoint, "sweep_id": "000001", "page": 1, "position": position, "key": key}
        self.add(ENDPOINT_QUARANTINE, **(row | {"reason": "broken", "record": "{", "seen_at": NOON} | fields))

    def endpoint_sweep(self, endpoint: str, number: int, **fields: Any) -> None:
        row: dict[str, Any] = {column.name: 0 for column in ENDPOINT_SWEEPS.columns if not column.nullable} | {
            "endpoint": endpoint,
            "sweep_id": f"{number:06d}",
            "mode": "by_key",
            "status": "loaded",
            "started_at": after(hours=number, minutes=-1),
            "finished_at": after(hours=number),
        }
        self.add(ENDPOINT_SWEEPS, **(row | fields))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def ids(self, source: str) -> list[str]:
        return [milestone_id for (milestone_id,) in self.rows(f"SELECT milestone_id FROM {source}")]

    def record(self, source: str) -> dict[str, Any]:
        cursor = self.connection.execute(f"SELECT * FROM {source}")
        (row,) = cursor.fetchall()
        return dict(zip([column[0] for column in cursor.description or []], row, strict=True))
