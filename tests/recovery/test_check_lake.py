"""The verification of the lake: each damage with what to do."""

from __future__ import annotations

import pytest

from pipelines.publish.lake import POINTER
from pipelines.recovery.check_lake import check_lake
from pipelines.storage.lake import Lake


@pytest.mark.parametrize(
    ("pointer", "said"),
    [(None, "nothing is published in"), (b"{", f"{POINTER} is damaged")],
    ids=["nothing published", "damaged pointer"],
)
def test_a_lake_without_a_readable_pointer_is_one_fault(lake: Lake, pointer: bytes | None, said: str) -> None:
    if pointer is not None:
        lake.write(POINTER, pointer)
    (fault,) = check_lake(lake).faults
    assert said in str(fault)
    assert "run milestones ingest" in str(fault)
