"""Applies the upper bound of starts, for which the API documents no parameter. Pure.

A scan requests pages until it is past the bound; the milestones beyond it on the last page are dropped here, so that
a sweep lands only what its filters name.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import compress

import msgspec

from pipelines.kalshi.matching import as_time
from pipelines.kalshi.response import Response
from schemas.endpoints import MILESTONES_ENDPOINT

_encoder = msgspec.json.Encoder()


def starting_before(bound: datetime, response: Response) -> Response:
    """A page without the milestones that start at or after a bound; the others keep every byte of their text.

    A milestone whose start cannot be read is kept: it will be quarantined.
    """
    is_kept = [(time := as_time(start)) is None or time < bound for start in response.starts]
    if all(is_kept):
        return response
    records = MILESTONES_ENDPOINT.raw_page_decoder.decode(response.body).records or []
    kept = {"milestones": list(compress(records, is_kept)), "cursor": response.next_cursor or ""}
    return replace(
        response,
        body=_encoder.encode(kept),
        ids=tuple(compress(response.ids, is_kept)),
        starts=tuple(compress(response.starts, is_kept)),
        updates=tuple(compress(response.updates, is_kept)),
        categories=tuple(compress(response.categories, is_kept)),
        types=tuple(compress(response.types, is_kept)),
    )
