from __future__ import annotations

import pytest

from sandbox.obstacles import Faults, TokenBucket


def test_a_bucket_refills_at_its_rate_and_holds_no_more_than_its_burst() -> None:
    instants = iter([0.0, 0.0, 0.0, 0.0, 0.25, 0.5, 100.0, 100.0, 100.0])
    bucket = TokenBucket(2, 2, lambda: next(instants))
    assert [bucket.take() for _ in range(8)] == [True, True, False, False, True, True, True, False]


@pytest.mark.parametrize(("per_second", "burst"), [(0, 1), (-1, 1), (1, 0.5)])
def test_a_bucket_that_allows_no_request_is_refused(per_second: float, burst: float) -> None:
    with pytest.raises(ValueError, match="never lets a request through"):
        TokenBucket(per_second, burst, lambda: 0.0)


@pytest.mark.parametrize(
    ("faults", "strikes"),
    [
        pytest.param(Faults(), [False, False, False], id="none"),
        pytest.param(Faults(fail_after_pages=0), [True, True, True], id="for ever"),
        pytest.param(Faults(fail_after_pages=0, failures=2), [True, True, False], id="twice"),
        pytest.param(Faults(fail_after_pages=1), [False, False, False], id="not yet"),
        pytest.param(Faults(fail_after_pages=1, pages_served=1, failures=1), [True, False, False], id="once"),
    ],
)
def test_which_pages_fail(faults: Faults, strikes: list[bool]) -> None:
    assert [faults.strike() for _ in strikes] == strikes
