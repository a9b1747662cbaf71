"""Both ticker arrays, and the main ticker that details name, as one row an event with flags and positions."""

from __future__ import annotations

from typing import Any, NamedTuple


class Event(NamedTuple):
    """An event that depends on a milestone. Positions count from 0; of a ticker named twice, the first counts."""

    event_ticker: str
    is_related: bool
    is_primary: bool
    is_main: bool
    related_position: int | None
    primary_position: int | None


def main_event_ticker(details: dict[str, Any]) -> str | None:
    """`details.main_game_event_ticker`, where it is text and not empty."""
    ticker = details.get("main_game_event_ticker")
    return ticker if isinstance(ticker, str) and ticker else None


def events(related: list[str], primary: list[str], main: str | None) -> list[Event]:
    """Every distinct ticker once: related ones in their order, then what only the others name."""
    if len(related) == 1 and primary == related and (main is None or main == related[0]):
        # Three of four milestones.
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
        # One comes twice: written backwards, the first is the one that stays.
        positions = {ticker: position for position, ticker in reversed(list(enumerate(tickers)))}
    return positions
