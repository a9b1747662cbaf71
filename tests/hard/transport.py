"""Every fault of transport on the first, a middle and the last page of a scan; and the manners of retries."""

from __future__ import annotations

import contextlib
import functools
import random
import time
from collections.abc import Iterator

from pipelines.kalshi import errors
from pipelines.kalshi.client import KalshiClient
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.scans import scan
from tests.hard.campaign import Campaign, Case, Judge, Totals, drawn
from tests.kalshi.conftest import FakeTime
from tests.kalshi.fault_server import Exchange, FaultServer, Play, answer, page
from tests.kalshi.transport_faults import FINAL, MIB, TRANSIENT

PAGES = 3
DEADLINE_SECONDS = 60.0
QUERY = MilestoneQuery(limit=500)
KINDS: dict[str, tuple[Play, type[errors.KalshiError]]] = {
    **{name: (play, kind) for name, (play, kind, *_) in TRANSIENT.items()},
    **{name: (play, kind) for name, (play, kind, _) in FINAL.items()},
}
PLACES = ("first", "middle", "last")
CASES = tuple((name, place) for name in KINDS for place in range(PAGES))

REQUESTS_PER_SECOND = 5.0
TRIES_MAX = 8
WAITS = 100
"""Answers with 429 in one case, about."""


def pages(count: int) -> list[Play]:
    """The pages of a list, one milestone each."""
    return [
        answer(page(f"id-{number}", cursor=f"c{number}" if number < count else "")) for number in range(1, count + 1)
    ]


@contextlib.contextmanager
def _nothing(seed: int) -> Iterator[Judge]:
    yield functools.partial(_faulty, seed)


def _client(server: FaultServer, fake: FakeTime, draw: random.Random, *, requests_per_second: float) -> KalshiClient:
    return KalshiClient(
        server.url,
        clock=fake.clock,
        now=fake.now,
        sleep=fake.sleep,
        random=draw.random,
        deadline_seconds=DEADLINE_SECONDS,
        max_body_bytes=MIB,
        requests_per_second=requests_per_second,
    )


def _faulty(seed: int, number: int) -> Case:
    name, place = CASES[number % len(CASES)]
    play, kind = KINDS[name]
    draw = drawn(seed, "transport", number)
    case = Case(number, name, counts={"outcomes": 0})
    whole = [f"id-{one}" for one in range(1, PAGES + 1)]
    # For good: the right error, and nothing else was read. Once: the whole list, where the fault is one that passes.
    for lasts in (True, False) if name in TRANSIENT else (True,):
        plays = pages(PAGES)
        script = [*plays[:place], play, *(() if lasts else plays[place:])]
        fake, read, ended = FakeTime(), list[str](), "the end of the list"
        begun = time.monotonic()
        with FaultServer(*script) as server, _client(server, fake, draw, requests_per_second=0) as api:
            try:
                for fetched in scan(api, QUERY):
                    read += fetched.response.ids
            except errors.KalshiError as error:
                ended = type(error).__name__
        wanted = (whole[:place], kind.__name__) if lasts else (whole, "the end of the list")
        if (read, ended) != wanted:
            case.faults.append(
                f"{PLACES[place]} page{', for good' if lasts else ''}: {ended} after {read}, not {wanted}"
            )
        case.counts["outcomes"] += 1
        case.peaks["seconds"] = max(case.peaks.get("seconds", 0), time.monotonic() - begun)
        case.peaks["simulated"] = max(case.peaks.get("simulated", 0), sum(fake.slept))
    return case


def _summary(totals: Totals) -> str:
    outcomes, peaks = totals.counts["outcomes"], totals.peaks
    return (
        f"{outcomes - len(totals.faults):,} of {outcomes:,} outcomes as they should be: {len(totals.kinds)} kinds of "
        f"fault on the first, a middle or the last page; at most {peaks['seconds']:.1f} s a scan and "
        f"{peaks['simulated']:.0f} s of simulated waits"
    )


@contextlib.contextmanager
def _polite(seed: int) -> Iterator[Judge]:
    yield functools.partial(_refused, seed)


class _Watched:
    """Notes when requests arrive, by the simulated clock, and which of them come before the end of a wait."""

    def __init__(self, fake: FakeTime) -> None:
        self._fake = fake
        self._allowed_at = 0.0
        self.sent: list[float] = []
        self.early = self.waits = 0

    def limiting(self, seconds: int) -> Play:
        """Answer with 429 and a wait."""

        def play(exchange: Exchange) -> bool:
            self._arrived()
            self._allowed_at = self._fake.clock() + seconds
            self.waits += 1
            return answer(b'{"error": "too many requests"}', 429, Retry_After=str(seconds))(exchange)

        return play

    def noted(self, play: Play) -> Play:
        """Answer as `play` does."""

        def noting(exchange: Exchange) -> bool:
            self._arrived()
            return play(exchange)

        return noting

    def _arrived(self) -> None:
        self.sent.append(self._fake.clock())
        self.early += self._fake.clock() < self._allowed_at


def _refused(seed: int, number: int) -> Case:
    """A scan that meets 429s with a wait, and a storm of 5xx; times are those of the simulated clock."""
    draw = drawn(seed, "manners", number)
    fake = FakeTime()
    watched = _Watched(fake)
    count = WAITS // 2
    script = list[Play]()
    for play in pages(count):
        script += [watched.limiting(draw.randint(0, 5)) for _ in range(draw.randint(0, 4))]
        script.append(watched.noted(play))
    with FaultServer(*script) as server, _client(server, fake, draw, requests_per_second=REQUESTS_PER_SECOND) as api:
        read = sum(fetched.response.records for fetched in scan(api, QUERY))
    rate, amplification = _busiest_second(watched.sent), _storm(draw)
    faults = {
        f"{read} of {count} milestones": read != count,
        f"{watched.early} requests before the end of a wait": watched.early > 0,
        f"{amplification:.0f} requests for one page in a storm of 503": amplification > TRIES_MAX,
        # The bucket holds a burst besides what a second brings.
        f"{rate:.0f} requests within a second": rate > REQUESTS_PER_SECOND + 1,
    }
    return Case(
        number,
        "scan",
        [fault for fault, is_there in faults.items() if is_there],
        {"waits": watched.waits, "early": watched.early, "requests": len(watched.sent)},
        {"rate": rate, "amplification": amplification},
    )


def _busiest_second(sent: list[float]) -> float:
    return float(max(sum(begun <= moment < begun + 1 for moment in sent) for begun in sent))


def _storm(draw: random.Random) -> float:
    """How many requests a page costs where every answer is a 503."""
    fake = FakeTime()
    with FaultServer(answer(b"{}", 503)) as server, _client(server, fake, draw, requests_per_second=0) as api:
        with contextlib.suppress(errors.KalshiError):
            api.list_page(QUERY)
        return float(len(server.exchanges))


def _summary_of_manners(totals: Totals) -> str:
    counts, peaks = totals.counts, totals.peaks
    return (
        f"{counts['early']} of {counts['requests']:,} requests came before the end of a Retry-After, after "
        f"{counts['waits']:,} answers with 429; at most {peaks['rate']:.0f} requests in a second at "
        f"{REQUESTS_PER_SECOND:.0f} a second, and {peaks['amplification']:.0f} for one page in a storm of 503"
    )


TRANSPORT = Campaign(
    name="transport",
    title="3. Faults of transport",
    unit="scans",
    cases=len(CASES),
    fewest=12,
    prepared=_nothing,
    summary=_summary,
    bound="outcomes",
)
MANNERS = Campaign(
    name="manners",
    title="8. Manners of retries",
    unit="scans",
    cases=100,
    fewest=2,
    prepared=_polite,
    summary=_summary_of_manners,
    bound="waits",
)
