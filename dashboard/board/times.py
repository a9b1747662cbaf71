"""Formats times in UTC and in the viewer's zone, durations, and times relative to now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

UTC_NAMES = ("UTC", "Etc/UTC", "Etc/GMT", "GMT")
NOTHING = "–"
"""Shown for a missing time or text."""

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


@dataclass(frozen=True)
class Zone:
    """The viewer's zone: that of the browser, or UTC if it gives none or an unknown one."""

    name: str
    info: tzinfo

    @classmethod
    def named(cls, name: str | None) -> Zone:
        """The zone of this IANA name."""
        try:
            return cls(name, ZoneInfo(name)) if name else cls("UTC", UTC)
        except (ZoneInfoNotFoundError, ValueError):
            return cls("UTC", UTC)

    @property
    def is_utc(self) -> bool:
        """Whether the zone is UTC itself."""
        return self.name in UTC_NAMES

    @property
    def city(self) -> str:
        """The short name: New York for America/New_York."""
        return self.name.rpartition("/")[2].replace("_", " ")


UTC_ZONE = Zone("UTC", UTC)


def in_zone(moment: datetime, zone: Zone) -> str:
    """Wed 25 Nov 2026 15:05, in this zone."""
    return _written(moment, zone.info)


def in_utc(moment: datetime | None) -> str:
    """Wed 25 Nov 2026 14:05 UTC."""
    return f"{_written(moment, UTC)} UTC" if moment else NOTHING


def in_both(moment: datetime | None, zone: Zone) -> str:
    """Wed 25 Nov 2026 14:05 UTC · 15:05 Berlin; with the weekday if the day differs there."""
    if moment is None or zone.is_utc:
        return in_utc(moment)
    there, here = moment.astimezone(zone.info), moment.astimezone(UTC)
    clock = f"{there:%H:%M}" if there.date() == here.date() else f"{there:%a %H:%M}"
    return f"{in_utc(moment)} · {clock} {zone.city}"


def _written(moment: datetime, zone: tzinfo) -> str:
    local = moment.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %Y %H:%M}"


def span(length: timedelta) -> str:
    """2 d 3 h, 2 h 5 min, 40 s: the two largest units, without a sign."""
    left = abs(round(length.total_seconds()))
    parts: list[str] = []
    for unit, seconds in _UNITS:
        if left >= seconds or (unit == "s" and not parts):
            parts.append(f"{left // seconds} {unit}")
            left %= seconds
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def signed_span(length: timedelta) -> str:
    """+2 h 5 min, −40 s."""
    return f"{'−' if length < timedelta(0) else '+'}{span(length)}"


def relative(moment: datetime | None, now: datetime) -> str:
    """3 min ago, in 2 h 5 min, now: whole minutes, two units at most."""
    if moment is None:
        return "never"
    minutes = int((moment - now) / timedelta(minutes=1))
    if not minutes:
        return "now"
    words = span(timedelta(minutes=minutes))
    return f"in {words}" if minutes > 0 else f"{words} ago"


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since the epoch, the format of chart data."""
    return round(moment.timestamp() * 1000)
