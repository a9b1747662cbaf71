"""Requests for single milestones, one per id. Which ids to request is decided by the sweep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipelines.kalshi.errors import BadRequest, FilterIgnored, NotFound
from pipelines.kalshi.response import Response
from pipelines.kalshi.scans import Api, Fetched


def by_id(
    api: Api, milestone_ids: Iterable[str], *, not_found: list[str], unanswered: list[str] | None = None
) -> Iterator[Fetched]:
    """One response per id; ids that the API does not know are added to `not_found`.

    Ids that no path can hold, that the API refuses, or for which it returns another milestone are added to
    `unanswered`; where that is None, the error is raised instead.
    """
    for milestone_id in milestone_ids:
        try:
            response = api.get_milestone(milestone_id)
        except NotFound:
            not_found.append(milestone_id)
            continue
        except (BadRequest, ValueError):
            if unanswered is None:
                raise
            unanswered.append(milestone_id)
            continue
        if (other := _other_id(response, milestone_id)) is not None:
            if unanswered is None:
                raise FilterIgnored(
                    response.url_path, name="milestone_id", wanted=milestone_id, found="another id", milestone_id=other
                )
            unanswered.append(milestone_id)
            continue
        yield Fetched(response.url_path, None, response)


def _other_id(response: Response, milestone_id: str) -> str | None:
    """The id of the returned milestone where it is not the requested one; None where it is, or cannot be read."""
    (returned,) = response.ids
    return returned if not returned.startswith("?") and returned.casefold() != milestone_id.casefold() else None
