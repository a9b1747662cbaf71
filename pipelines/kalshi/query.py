"""The query parameters of `GET /milestones`, validated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.api import PAGE_LIMIT


@dataclass(frozen=True, kw_only=True)
class MilestoneQuery:
    """Filters and page size; None leaves a filter out.

    `minimum_start_date` has a time zone and is inclusive; `min_updated_ts` counts whole Unix seconds (the API refuses
    a fraction with 400). `competition` was measured to find nothing where rows exist, and is reported to work with
    codes such as NFL. `maximum_start_date` is exclusive and never sent, as the API does not document it: scans stop
    there, and `pipelines.kalshi.upper_bound` drops the milestones at and after it. Raises ValueError for values that
    the API would refuse or, worse, ignore.
    """

    minimum_start_date: datetime | None = None
    maximum_start_date: datetime | None = None
    min_updated_ts: int | None = None
    category: str | None = None
    type: str | None = None
    source_id: str | None = None
    related_event_ticker: str | None = None
    competition: str | None = None
    limit: int = PAGE_LIMIT

    def __post_init__(self) -> None:
        """Raise ValueError for invalid values."""
        if not _is_whole(self.limit) or not 1 <= self.limit <= PAGE_LIMIT:
            raise ValueError(f"limit must be a whole number from 1 to {PAGE_LIMIT}, not {self.limit!r}")
        if self.min_updated_ts is not None and not _is_whole(self.min_updated_ts):
            raise ValueError(f"min_updated_ts must be whole Unix seconds, not {self.min_updated_ts!r}")
        for name, bound in self._bounds().items():
            if bound is not None and bound.utcoffset() is None:
                raise ValueError(f"{name} needs a time zone: {bound.isoformat()} has none")
        for name, text in self._texts().items():
            if text is not None and not text.strip():
                # The API may ignore an empty filter: a full list would be taken for a filtered one.
                raise ValueError(f"{name} is empty: leave it out instead")
            # Arguments that are not UTF-8 arrive as lone surrogates: encoding raises UnicodeEncodeError, a ValueError.
            (text or "").encode()

    def params(self, cursor: str | None = None) -> dict[str, str]:
        """The parameters to send, unset ones left out; the cursor byte for byte as received."""
        start = self.minimum_start_date
        chosen = {
            "limit": str(self.limit),
            "minimum_start_date": None if start is None else _rfc3339(start),
            "min_updated_ts": None if self.min_updated_ts is None else str(self.min_updated_ts),
            **self._texts(),
            "cursor": cursor or None,
        }
        return {name: value for name, value in chosen.items() if value is not None}

    def _bounds(self) -> dict[str, datetime | None]:
        return {"minimum_start_date": self.minimum_start_date, "maximum_start_date": self.maximum_start_date}

    def _texts(self) -> dict[str, str | None]:
        return {
            "category": self.category,
            "type": self.type,
            "source_id": self.source_id,
            "related_event_ticker": self.related_event_ticker,
            "competition": self.competition,
        }


def _is_whole(number: object) -> bool:
    """Whether it is an int, but not a bool: True would be sent as `True`."""
    return isinstance(number, int) and not isinstance(number, bool)


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
