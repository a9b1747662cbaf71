"""Requests by id: what happens to ids that the API does not know, refuses, or confuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.kalshi.errors import AccessDenied, BadRequest, FilterIgnored
from pipelines.kalshi.single_requests import by_id
from tests.support import milestone, milestone_id

from .scripted_api import ScriptedApi, ids_of


def single(number: int) -> bytes:
    return json.dumps({"milestone": milestone(number)}).encode()


def test_each_id_is_one_request_and_unknown_ids_are_listed() -> None:
    api = ScriptedApi(singles={milestone_id(1): single(1), milestone_id(3): single(3)})
    not_found: list[str] = []
    fetched = list(by_id(api, [milestone_id(number) for number in (1, 2, 3, 4)], not_found=not_found))
    assert [(one.path, one.cursor, one.response.ids) for one in fetched] == [
        (f"/milestones/{milestone_id(number)}", None, (milestone_id(number),)) for number in (1, 3)
    ]
    assert not_found == [milestone_id(2), milestone_id(4)]


ODD_IDS = {
    "refused by the API": ("not-a-uuid", BadRequest("https://api.test/milestones/not-a-uuid", status=400)),
    "not a path segment": ("..", ValueError("'..' cannot be a milestone's id")),
}


@pytest.mark.parametrize(("odd", "error"), ODD_IDS.values(), ids=ODD_IDS)
def test_an_id_that_cannot_be_requested_raises_or_is_listed_as_unanswered(odd: str, error: Exception) -> None:
    def requested(**options: Any) -> list[str]:
        api = ScriptedApi(singles={odd: error, milestone_id(1): single(1)})
        return ids_of(list(by_id(api, [odd, milestone_id(1)], not_found=not_found, **options)))

    not_found: list[str] = []
    unanswered: list[str] = []
    with pytest.raises(type(error)):
        requested()
    assert requested(unanswered=unanswered) == [milestone_id(1)]
    assert (not_found, unanswered) == ([], [odd])


def test_a_response_with_another_milestone_raises_or_is_listed_as_unanswered() -> None:
    spelled = "00000000-0000-4000-8000-00000000000A"
    api = ScriptedApi(singles={milestone_id(1): single(2), milestone_id(3): single(3), "ABC": b'{"milestone": 7}'})
    with pytest.raises(FilterIgnored) as caught:
        list(by_id(api, [milestone_id(1)], not_found=[]))
    assert (caught.value.wanted, caught.value.milestone_id) == (milestone_id(1), milestone_id(2))
    unanswered: list[str] = []
    # A record without a readable id is not compared: it will be quarantined.
    fetched = by_id(api, [milestone_id(1), milestone_id(3), "ABC"], not_found=[], unanswered=unanswered)
    assert len(list(fetched)) == 2
    assert unanswered == [milestone_id(1)]
    assert len(list(by_id(ScriptedApi(singles={spelled: single_with(spelled.lower())}), [spelled], not_found=[]))) == 1


def single_with(milestone_id: str) -> bytes:
    return json.dumps({"milestone": milestone(1, id=milestone_id)}).encode()


def test_access_denied_is_always_raised() -> None:
    api = ScriptedApi(singles={milestone_id(1): AccessDenied("https://api.test", status=403)})
    with pytest.raises(AccessDenied):
        list(by_id(api, [milestone_id(1)], not_found=[], unanswered=[]))


def test_no_ids_send_no_request() -> None:
    not_found: list[str] = []
    assert list(by_id(ScriptedApi(), [], not_found=not_found)) == []
    assert not_found == []
