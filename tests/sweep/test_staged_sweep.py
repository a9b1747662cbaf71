"""The results of the stages before the load: the share of refused records, and the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import NothingToDo
from pipelines.staging.stage_records import Decoded
from pipelines.staging.stage_tables import Flattened
from pipelines.sweep.staged_sweep import FILE_NAME, StagedSweep
from pipelines.warehouse.compare import RecordCounts


def staged(*, received: int = 100, by_decoding: int = 0, by_rules: int = 0, **fields: object) -> StagedSweep:
    decoded = Decoded(received=received, decoded=received - by_decoding, quarantined=by_decoding)
    return StagedSweep(decoded, flattened=Flattened(refused={"new": by_rules}), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sweep", "share", "is_refused"),
    [
        pytest.param(staged(), 0.0, False, id="no refusals"),
        pytest.param(staged(received=0), 0.0, False, id="no records"),
        pytest.param(staged(by_decoding=1), 0.01, False, id="at the limit"),
        pytest.param(staged(by_decoding=1, by_rules=1), 0.02, True, id="above the limit"),
        pytest.param(staged(by_decoding=1, by_rules=1, refused_before=1), 0.01, False, id="refused before"),
        pytest.param(staged(by_decoding=9, is_retry=True), 0.09, False, id="retry"),
    ],
)
def test_a_sweep_is_refused_above_the_limit(sweep: StagedSweep, share: float, is_refused: bool) -> None:
    assert sweep.refused_share == share
    assert (sweep.refusal is not None) == is_refused


def test_the_refusal_has_counts_and_reasons() -> None:
    sweep = staged(
        by_decoding=3, by_rules=2, refused_before=1, reasons=["3 for title (it is null)", "2 for id (empty)"]
    )
    assert sweep.refusal == (
        "4 of 100 records were refused (4.0%, at most 1% may be): the API's answers have changed. Most often: "
        "3 for title (it is null); 2 for id (empty). List the records with milestones quarantine"
    )


def test_a_saved_sweep_is_read_back(tmp_path: Path) -> None:
    sweep = staged(by_decoding=1, by_rules=2, counts=RecordCounts(new=3), drift=["a: b is string"], pages_ahead=4)
    sweep.save(tmp_path)
    assert StagedSweep.read(tmp_path, "000001") == sweep


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"], ids=["missing", "empty", "incomplete", "binary"])
def test_a_missing_or_damaged_file_raises(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(NothingToDo, match=r"^sweep 000001 has no staged records: materialize records first$"):
        StagedSweep.read(tmp_path, "000001")
