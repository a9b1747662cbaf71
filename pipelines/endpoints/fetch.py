"""Fetches a sweep of an endpoint: keys in batches, and a list, with a limit on the requests; every page is landed.

What the limit leaves over is requested by the next sweep.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from pipelines.endpoints.plan import ListPlan, Plan
from pipelines.kalshi.client import KalshiClient
from pipelines.kalshi.errors import BadRequest, FilterIgnored, InvalidCursor, KalshiError, PagingFault
from pipelines.kalshi.faults import Parameters
from pipelines.kalshi.matching import first_before
from pipelines.kalshi.paging import Paging
from pipelines.kalshi.response import Response
from pipelines.storage.landing import Landing, Page
from schemas.endpoint import ByKeys, Endpoint

MAX_QUERY_BYTES = 6_000
"""Servers refuse long URLs, most of them from 8 kB on."""

_LOG = logging.getLogger(__name__)


@dataclass
class Fetched:
    """What a fetch reached: requested keys that were not returned, keys not requested, and the place in the list.

    `list_ended` is True if a list was read to its end; `listed` is the number of its records.
    """

    requested: int = 0
    unknown: list[str] = field(default_factory=list)
    remaining: int = 0
    list_ended: bool = False
    next_cursor: str | None = None
    list_began_at: datetime | None = None
    listed: int = 0


class EndpointFetch:
    """Fetches one sweep into its landing. It sends about `max_requests` requests, retries not counted."""

    def __init__(self, endpoint: Endpoint, api: KalshiClient, landing: Landing, *, max_requests: int) -> None:
        self.reached = Fetched()
        self._endpoint = endpoint
        self._api = api
        self._landing = landing
        self._left = max_requests
        self._listed: set[str] = set()

    def run(self, plan: Plan) -> None:
        """Land every page of the plan, as far as the limit allows. `reached` is kept up to date. Raises KalshiError."""
        self.reached.remaining = len(plan.keys)
        is_whole_list = plan.list is not None and plan.list.min_updated_ts is None
        fault: KalshiError | None = None
        if is_whole_list:
            # It brings most keys, with fewer requests.
            try:
                self._fetch_planned_list(plan)
            except KalshiError as error:
                # A list that cannot be read must not keep the keys from being requested.
                fault = error
        keys = [key for key in plan.keys if key not in self._listed]
        self.reached.remaining = len(keys)
        if keys and self._endpoint.by_keys is not None:
            self._fetch_keys(self._endpoint.by_keys, keys)
        if fault is not None:
            raise fault
        if not is_whole_list:
            self._fetch_planned_list(plan)

    def _fetch_planned_list(self, plan: Plan) -> None:
        if plan.list is not None:
            self.reached.list_began_at = plan.list.began_at
            self.reached.next_cursor = plan.list.cursor
            try:
                self._fetch_list(plan.list)
            except (PagingFault, FilterIgnored):
                # It would repeat at this cursor: the next sweep reads the list from its beginning.
                self.reached.next_cursor = None
                raise

    def _fetch_keys(self, by_keys: ByKeys, keys: list[str]) -> None:
        unsendable = [key for key in keys if not _is_sendable(by_keys, key)]
        self._account(by_keys, len(unsendable), unsendable)
        waiting = list(batches(by_keys, [key for key in keys if _is_sendable(by_keys, key)]))
        while waiting and self._left > 0:
            batch = waiting.pop(0)
            try:
                self._account(by_keys, len(batch), self._fetch_batch(by_keys, batch))
            except BadRequest as refusal:
                if len(batch) == 1:
                    _LOG.warning("the API refuses the key %r of %s: %s", batch[0], self._endpoint.title, refusal)
                    self._account(by_keys, 1, batch)
                else:
                    # One bad key must not keep the others from being requested, now and for ever.
                    half = len(batch) // 2
                    waiting[:0] = [batch[:half], batch[half:]]

    def _account(self, by_keys: ByKeys, requested: int, missing: list[str]) -> None:
        self.reached.requested += requested
        self.reached.remaining -= requested
        if not by_keys.is_repeated:
            self.reached.unknown += missing

    def _fetch_batch(self, by_keys: ByKeys, batch: list[str]) -> list[str]:
        """Request a batch of keys; those that the API did not return."""
        parameters: dict[str, str | list[str]] = {
            by_keys.parameter: batch if by_keys.style == "repeated" else ",".join(batch)
        }
        if self._endpoint.listing is not None and self._endpoint.listing.size:
            parameters[self._endpoint.listing.size] = str(self._endpoint.listing.limit)
        # The API may answer a key in another spelling.
        missing = {key.casefold(): key for key in batch}
        requested = set(missing)
        paging = Paging()
        while missing and not paging.is_done:
            response = self._request(parameters, paging.next_cursor)
            stranger = next(
                (one for one in response.ids if one.casefold() not in requested and not one.startswith("?")), None
            )
            if stranger is not None:
                raise FilterIgnored(
                    response.url_path,
                    name=by_keys.parameter,
                    wanted=", ".join(batch),
                    found="another key",
                    milestone_id=stranger,
                )
            self._land(parameters, paging.next_cursor, response)
            paging.advance(response.next_cursor, response.ids)
            for one in response.ids:
                missing.pop(one.casefold(), None)
        return list(missing.values())

    def _fetch_list(self, plan: ListPlan) -> None:
        listing = self._endpoint.listing
        assert listing is not None  # noqa: S101 - for the type checker; the plan has a list
        parameters: dict[str, str | list[str]] = {listing.size: str(listing.limit)} if listing.size else {}
        if plan.min_updated_ts is not None:
            parameters["min_updated_ts"] = str(plan.min_updated_ts)
        paging = Paging.resumed([plan.cursor] if plan.cursor else [])
        has_restarted = False
        while not paging.is_done and self._left > 0:
            cursor = paging.next_cursor
            try:
                response = self._request(parameters, cursor)
            except InvalidCursor as refusal:
                if has_restarted or cursor is None:
                    raise
                _LOG.warning("the API refused a cursor of %s (%s): starting over", self._endpoint.title, refusal.detail)
                has_restarted, paging, self.reached.next_cursor = True, Paging(), None
                continue
            self._check_updates(plan, response)
            self._land(parameters, cursor, response)
            self._listed.update(response.ids)
            self.reached.listed += response.records
            next_cursor = response.next_cursor
            if next_cursor is None and listing.cursor_is_last_key and 0 < listing.limit <= response.records:
                # A full page without a cursor is suspicious; here the cursor is known to be the last key.
                next_cursor = next((one for one in reversed(response.ids) if not one.startswith("?")), None)
            paging.advance(next_cursor, response.ids)
            self.reached.next_cursor = paging.next_cursor
        self.reached.list_ended = paging.is_done

    def _check_updates(self, plan: ListPlan, response: Response) -> None:
        """Raise FilterIgnored for a record that was updated before `min_updated_ts`."""
        if plan.min_updated_ts is None:
            return
        index = first_before(datetime.fromtimestamp(plan.min_updated_ts, UTC), response.updates)
        if index is not None:
            raise FilterIgnored(
                response.url_path,
                name="min_updated_ts",
                wanted=str(plan.min_updated_ts),
                found=f"the last update {response.updates[index]}",
                milestone_id=response.ids[index],
            )

    def _request(self, parameters: Parameters, cursor: str | None) -> Response:
        self._left -= 1
        sent = dict(parameters) | ({"cursor": cursor} if cursor else {})
        return self._api.get_records(self._endpoint, sent)

    def _land(self, parameters: Parameters, cursor: str | None, response: Response) -> None:
        path = f"{response.url_path}?{urlencode(parameters, doseq=True)}"
        number = self._landing.sweep.pages + 1
        self._landing.land(Page.of(number, path, cursor, response))


def _is_sendable(by_keys: ByKeys, key: str) -> bool:
    """Whether a request can hold the key: in a list with commas, a key with a comma would be two keys."""
    return len(quote(key, safe="")) <= MAX_QUERY_BYTES and not (by_keys.style == "comma" and "," in key)


def batches(by_keys: ByKeys, keys: list[str]) -> Iterator[list[str]]:
    """Keys in batches that fit into one request."""
    batch: list[str] = []
    size = 0
    for key in keys:
        length = len(quote(key, safe="")) + (len(by_keys.parameter) + 2 if by_keys.style == "repeated" else 3)
        if batch and (len(batch) >= by_keys.at_most or size + length > MAX_QUERY_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(key)
        size += length
    if batch:
        yield batch
