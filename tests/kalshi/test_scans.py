"""Which pages a scan requests, when it starts over, and where it ends. Scans in shards are in test_shards."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipelines.kalshi.errors import InvalidCursor, PagingFault, ServerFault
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.scans import scan, seconds_before
from tests.support import NOON, milestone_id

from .scripted_api import QUERY, ScriptedApi, ids_of, invalid_cursor, page


def test_a_scan_follows_the_cursors_to_the_empty_one() -> None:
    science = {"category": "Science & Technology"}
    api = ScriptedApi(page(1, 2, cursor="b", **science), page(3, cursor="c", **science), page(4, **science))
    fetched = list(scan(api, MilestoneQuery(limit=2, category="Science & Technology")))
    assert [cursor for _, cursor in api.requests] == [None, "b", "c"]
    assert [(one.path, one.cursor, one.response.next_cursor) for one in fetched] == [
        ("/milestones?limit=2&category=Science+%26+Technology", None, "b"),
        ("/milestones?limit=2&category=Science+%26+Technology", "b", "c"),
        ("/milestones?limit=2&category=Science+%26+Technology", "c", None),
    ]
    assert ids_of(fetched) == [milestone_id(number) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("end", ["", None], ids=["empty", "null"])
def test_a_scan_of_an_empty_list_is_one_empty_page(end: str | None) -> None:
    (only,) = scan(ScriptedApi(page(cursor=end)), QUERY)
    assert (only.response.ids, only.response.next_cursor) == ((), None)


def test_a_scan_requests_a_page_only_after_the_previous_one_was_consumed() -> None:
    api = ScriptedApi(page(1, cursor="b"), page(2))
    pages = scan(api, QUERY)
    assert api.requests == []
    next(pages)
    assert len(api.requests) == 1


def test_a_refused_cursor_restarts_the_scan_once() -> None:
    api = ScriptedApi(page(1, cursor="b"), invalid_cursor(), page(1, cursor="b2"), page(2))
    fetched = list(scan(api, QUERY))
    assert [cursor for _, cursor in api.requests] == [None, "b", None, "b2"]
    # Pages before the restart were landed already: their milestones come twice, which staging deduplicates.
    assert ids_of(fetched) == [milestone_id(number) for number in (1, 1, 2)]


def test_a_restarted_scan_may_get_the_same_cursor_again() -> None:
    api = ScriptedApi(page(1, cursor="b"), invalid_cursor(), page(1, cursor="b"), page(2))
    assert len(list(scan(api, QUERY))) == 3


def test_a_cursor_refused_twice_ends_the_scan() -> None:
    api = ScriptedApi(page(1, cursor="b"), invalid_cursor(), page(1, cursor="c"), invalid_cursor(), page(1))
    pages = scan(api, QUERY)
    assert [next(pages).cursor, next(pages).cursor] == [None, None]
    with pytest.raises(InvalidCursor, match="no longer accepts the cursor"):
        next(pages)
    assert [cursor for _, cursor in api.requests] == [None, "b", None, "c"]


def test_a_refused_first_page_does_not_restart_the_scan() -> None:
    api = ScriptedApi(invalid_cursor(), page(1))
    with pytest.raises(InvalidCursor):
        list(scan(api, QUERY))
    assert len(api.requests) == 1


def test_other_errors_are_raised_at_once() -> None:
    fault = ServerFault("https://api.test/milestones", status=503)
    api = ScriptedApi(page(1, cursor="b"), fault, page(1))
    with pytest.raises(ServerFault) as caught:
        list(scan(api, QUERY))
    assert caught.value is fault


def test_a_circle_of_cursors_ends_the_scan() -> None:
    api = ScriptedApi(page(1, cursor="b"), page(2, cursor="c"), page(3, cursor="b"), page(4))
    with pytest.raises(PagingFault) as caught:
        list(scan(api, QUERY))
    assert (caught.value.rule, caught.value.page, caught.value.cursor) == ("cursor came before", 3, "b")


@pytest.mark.parametrize(
    ("moment", "seconds", "expected"),
    [
        (datetime(1970, 1, 1, 0, 10, tzinfo=UTC), 300, 300),
        (datetime(1970, 1, 1, 0, 10, 0, 999_999, tzinfo=UTC), 300, 300),
        (datetime(1970, 1, 1, tzinfo=UTC), 300, -300),
        (NOON, 0, 1_795_435_200),
    ],
    ids=["whole", "fraction is cut", "before 1970", "no overlap"],
)
def test_whole_seconds(moment: datetime, seconds: int, expected: int) -> None:
    assert seconds_before(moment, seconds) == expected
