"""Fetches a sweep: requests pages, lands each one, and resumes an interrupted sweep after its last landed page.

Landed pages are the checkpoint. A record may be landed twice, after an interruption or in a catch-up;
`classify_records` keeps one of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from urllib.parse import parse_qsl

import msgspec
import pyarrow as pa

from pipelines.errors import LakeUnusable, NothingToDo, SweepDamaged, SweepRefused
from pipelines.kalshi.client import KalshiClient
from pipelines.kalshi.errors import BadRequest, KalshiError, NotFound, PagingFault
from pipelines.kalshi.full_sweep import full_sweep
from pipelines.kalshi.matching import other_competitions
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import read_page
from pipelines.kalshi.scans import Fetched, scan
from pipelines.kalshi.shards import LandedPage
from pipelines.kalshi.single_requests import by_id
from pipelines.records.decode import is_json
from pipelines.storage.landing import Landing, Page, Traffic
from pipelines.sweep.absent_requests import request_absent
from pipelines.sweep.progress_listener import ProgressListener
from pipelines.warehouse.absences import Absences, find_absences
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.ledger import quarantined
from pipelines.wording import counted
from schemas.api import PAGE_LIMIT

MAX_ABSENT_SHARE = 0.05
"""Maximum share of the expected milestones. During partial outages the API returns empty lists."""

QUARANTINE_PATH = "/quarantine?"

_LOG = logging.getLogger(__name__)


class Fetch:
    """Fetches one sweep into its landing."""

    def __init__(
        self,
        warehouse: Warehouse,
        landing: Landing,
        api: KalshiClient,
        progress: ProgressListener,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._warehouse = warehouse
        self._landing = landing
        self._sweep = landing.sweep
        self._api = api
        self._progress = progress
        self._now = now
        self._traffic_before = landing.sweep.traffic

    def run(self, *, allow_shrink: bool, max_pages: int | None = None) -> None:
        """Land every page of the sweep, or the first `max_pages`.

        Raises KalshiError, SweepRefused, NothingToDo, LakeUnusable.
        """
        sweep = self._sweep
        if sweep.is_fetched_not_loaded and self._is_whole():
            self._progress.resumed(sweep)
            return
        try:
            match sweep.mode:
                case "retry":
                    self._land_quarantined()
                case "full":
                    self._land_everything(allow_shrink=allow_shrink, max_pages=max_pages)
                case _:
                    self._land(self._fetched([]), max_pages=max_pages)
        except KalshiError as error:
            # An outage may be over in a minute. A cycle of pages or a refused request would repeat: a refused cursor
            # must not be retried for hours.
            sweep.is_resumable = not isinstance(error, PagingFault | BadRequest | NotFound)
            raise
        except LakeUnusable:
            # The page that could not be copied to the lake is landed here.
            raise
        except Exception:
            sweep.is_resumable = False
            raise
        finally:
            sweep.traffic = self._traffic()
        if sweep.mode == "by_id" and sweep.not_found and not sweep.pages:
            raise SweepRefused(f"the API has no milestone {', '.join(sweep.not_found)}: check the ids")
        sweep.state, sweep.landed_at = "landed", self._now()
        try:
            self._landing.save()
        except LakeUnusable:
            # Its pages are landed here: the next run resumes after the last one.
            sweep.state, sweep.landed_at = "landing", None
            raise

    def _is_whole(self) -> bool:
        """Whether all landed pages are intact; otherwise reopens the sweep after the last good page."""
        try:
            self._landing.check()
        except SweepDamaged as damage:
            self._fetch_again(damage)
            return False
        return True

    def _fetch_again(self, damage: SweepDamaged) -> None:
        _LOG.warning("fetching sweep %s again from page %d: %s", self._sweep.sweep_id, damage.good_pages + 1, damage)
        self._landing.reopen(pages=damage.good_pages)

    def _land(self, fetched: Iterable[Fetched], *, max_pages: int | None = None) -> list[pa.Array]:
        """Land responses as they arrive; the milestone_ids in them. Stops at `max_pages`, which cuts the sweep."""
        seen = []
        for number, result in enumerate(fetched, start=self._sweep.pages + 1):
            response = result.response
            page = Page.of(number, result.path, result.cursor, response)
            self._landing.land(page)
            self._note(response.body, is_null=response.is_null)
            self._progress.page(self._sweep, page)
            seen.append(pa.array(response.ids, pa.string()))
            if number == max_pages and not self._is_last(page):
                self._cut()
                break
        return seen

    def _note(self, body: bytes, *, is_null: bool) -> None:
        """Note in the sweep what is unusual about a page, though accepted."""
        sweep = self._sweep
        sweep.null_lists += is_null
        others = other_competitions(sweep.filters.competition, body)
        sweep.other_competitions = list(dict.fromkeys((*sweep.other_competitions, *others)))

    def _is_last(self, page: Page) -> bool:
        """Whether no page follows, as far as a page can tell: after the list, a full or filtered sweep catches up."""
        return self._sweep.mode == "incremental" and page.next_cursor is None

    def _cut(self) -> None:
        """Make this a partial sweep: one that was cut proves no absence, and moves no watermark."""
        self._sweep.mode, self._sweep.is_cut = "partial", True

    def _land_everything(self, *, allow_shrink: bool, max_pages: int | None) -> None:
        """Land a full sweep and the requests by id for absent milestones. Refuses a sweep that lists far too few."""
        seen: list[pa.Array] = []
        fetched = self._fetched(seen)
        seen += self._land(fetched, max_pages=max_pages)
        if self._sweep.is_cut:
            return
        with self._warehouse.reading() as connection:
            absences = find_absences(connection, seen, self._landing.absent_file)
        self._landing.record_checksum(self._landing.absent_file)
        received = sum(map(len, seen))
        if not allow_shrink and (not received or absences.absent > MAX_ABSENT_SHARE * absences.expected):
            raise SweepRefused(_refusal(received, absences))
        request_absent(self._api, absences, self._landing, self._land, allow_shrink=allow_shrink)

    def _land_quarantined(self) -> None:
        """Land the quarantined records as pages, which later stages read like any other."""
        with self._warehouse.reading() as connection:
            refused = quarantined(connection)
        if not refused:
            raise NothingToDo("the quarantine is empty: there is nothing to retry")
        sweep = self._sweep
        for start in range(0, len(refused), PAGE_LIMIT):
            of_page = [row for row in refused[start : start + PAGE_LIMIT] if is_json(row.record)]
            sweep.retried += [row.key for row in of_page]
            body = b'{"milestones":[' + b",".join(row.record.encode() for row in of_page) + b"]}"
            self._landing.land(Page(sweep.pages + 1, QUARANTINE_PATH, None, None, self._now(), len(of_page), body))

    def _fetched(self, seen: list[pa.Array]) -> Iterator[Fetched]:
        """Fetch the remaining pages. Adds the ids of pages landed before an interruption to `seen`."""
        sweep = self._sweep
        if sweep.mode == "by_id":
            return by_id(self._api, sweep.ids, not_found=sweep.not_found)
        query = MilestoneQuery(**msgspec.structs.asdict(sweep.filters))
        landed = self._landed_before(seen)
        if sweep.mode == "incremental":
            return scan(self._api, query, landed=landed)
        return full_sweep(
            self._api,
            query,
            landed=landed,
            started_at=sweep.started_at,
            now=self._now,
            connections=self._api.connections,
        )

    def _landed_before(self, seen: list[pa.Array]) -> list[LandedPage]:
        """The pages of the first scan that were landed before an interruption. Catch-ups are cheap and start again."""
        if not self._sweep.pages:
            return []
        landed = []
        self._sweep.null_lists, self._sweep.other_competitions = 0, []
        for page in self._good_pages():
            if not page.is_list:
                # A response by id does not prove that the list has the milestone; it is requested again.
                continue
            content = read_page(page.body)
            seen.append(pa.array(content.ids, pa.string()))
            self._note(page.body, is_null=content.is_null)
            parameters = dict(parse_qsl(page.path.partition("?")[2]))
            is_catch_up = "min_updated_ts" in parameters and self._sweep.filters.min_updated_ts is None
            if not is_catch_up:
                bound = parameters.get("minimum_start_date")
                begins = datetime.fromisoformat(bound) if bound else None
                limit = int(parameters["limit"])
                # Keep the page size that the API accepted: cursors may depend on it.
                self._api.page_limit = min(self._api.page_limit, limit)
                landed.append(LandedPage(begins, page.cursor, page.next_cursor, content.starts, content.ids, limit))
        if self._sweep.pages:
            self._progress.resumed(self._sweep)
        return landed

    def _good_pages(self) -> Iterator[Page]:
        """The landed pages before the first damaged one. That page and all later ones are fetched again."""
        try:
            yield from self._landing.pages()
        except SweepDamaged as damage:
            self._fetch_again(damage)

    def _traffic(self) -> Traffic:
        return self._traffic_before + Traffic.of(self._api.stats)


def _refusal(received: int, absences: Absences) -> str:
    """Why a full sweep is refused, and what to do."""
    archive = absences.archive if absences.archive and absences.archive.ids else None
    reason = f"; {archive}" if archive else ""
    effect = ", which marks them as archived" if archive else ""
    return (
        f"the API listed {counted(received, 'record')}, without {absences.absent:,} of the {absences.expected:,} "
        f"expected milestones (at most {MAX_ABSENT_SHARE:.0%} may be missing){reason}: if that is correct, run "
        f"milestones ingest --full --allow-shrink{effect}"
    )
