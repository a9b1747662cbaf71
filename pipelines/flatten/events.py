"""The events of a milestone: both ticker arrays and the main ticker in details, merged to one row per event."""

from __future__ import annotations

from typing import Any, NamedTuple


class Event(NamedTuple):
    """An event that depends on a milestone. Positions count from 0; for a repeated ticker the first one is given."""

    event_ticker: str
    is_related: bool
    is_primary: bool
    is_main: bool
    related_position: int | None
    primary_position: int | None


def main_event_ticker(details: dict[str, Any]) -> str | None:
    """`details.main_game_event_ticker`, if it is text and not empty."""
    ticker = details.get("main_game_event_ticker")
    return ticker if isinstance(ticker, str) and ticker else None


def events(related: list[str], primary: list[str], main: str | None) -> list[Event]:
    """Every distinct ticker once: the related ones in their order, then primary and main ones that are not related."""
    if len(related) == 1 and primary == related and (main is None or main == related[0]):
        # A shortcut for three of four milestones.
        return [
            Event(
                related[0],
                is_related=True,
                is_primary=True,
                is_main=main is not None,
                related_position=0,
                primary_position=0,
            )
        ]
    related_positions = _first_positions(related)
    primary_positions = _first_positions(primary)
    tickers = dict.fromkeys([*related, *primary, *([main] if main else [])])
    return [
        Event(
            ticker,
            ticker in related_positions,
            ticker in primary_positions,
            ticker == main,
            related_positions.get(ticker),
            primary_positions.get(ticker),
        )
        for ticker in tickers
    ]


def _first_positions(tickers: list[str]) -> dict[str, int]:
    positions = dict(zip(tickers, range(len(tickers)), strict=True))
    if len(positions) < len(tickers):
        # A ticker is repeated: building the dict backwards keeps its first position.
        positions = {ticker: position for position, ticker in reversed(list(enumerate(tickers)))}
    return positions
