"""Batches of keys: how many fit into one request."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.endpoints.fetch import MAX_QUERY_BYTES, batches
from schemas.endpoint import ByKeys, Endpoint
from schemas.events import EVENTS
from schemas.live_data import LIVE_ENDPOINT
from schemas.targets import TARGETS
from tests.support import team_id


def by_keys(endpoint: Endpoint) -> ByKeys:
    assert endpoint.by_keys is not None
    return endpoint.by_keys


@pytest.mark.parametrize(("endpoint", "size"), [(TARGETS, 146), (EVENTS, 153), (LIVE_ENDPOINT, 100)])
def test_ids_of_usual_length_fill_a_request(endpoint: Endpoint, size: int) -> None:
    found = [len(batch) for batch in batches(by_keys(endpoint), [team_id(number) for number in range(400)])]
    assert sum(found) == 400
    assert found[0] == size


@pytest.mark.parametrize("endpoint", [TARGETS, EVENTS, LIVE_ENDPOINT], ids=lambda endpoint: endpoint.name)
@given(keys=st.lists(st.text(min_size=1, max_size=300), max_size=60))
def test_every_key_is_sent_once_and_no_query_is_too_long(endpoint: Endpoint, keys: list[str]) -> None:
    described = by_keys(endpoint)
    found = list(batches(described, [key.encode("utf-8", "replace").decode() for key in keys]))
    assert [key for batch in found for key in batch] == [key.encode("utf-8", "replace").decode() for key in keys]
    for batch in found:
        assert 0 < len(batch) <= described.at_most
        value = batch if described.style == "repeated" else ",".join(batch)
        query = urlencode({described.parameter: value}, doseq=True)
        assert len(query) <= MAX_QUERY_BYTES + len(described.parameter) + 1 or len(batch) == 1


def test_no_keys_make_no_request() -> None:
    assert list(batches(by_keys(EVENTS), [])) == []
