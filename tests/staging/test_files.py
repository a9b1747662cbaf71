"""The staged files of a sweep: names by number, replaced and removed by name."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.staging.files import REFUSED_BY_DECODING, REFUSED_BY_RULES, Staging
from schemas.tables import RECORDS

ROWS = pa.table({"n": [1, 2]})


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    staging = Staging(tmp_path / "staging")
    staging.clear()
    return staging


def names(files: list[str]) -> list[str]:
    return [Path(file).name for file in files]


def test_parts_are_ordered_by_number(staging: Staging) -> None:
    for number in (10, 2, 0):
        staging.write(RECORDS.name, number, ROWS)
    assert names(staging.files(RECORDS)) == [f"records-{number:06d}.parquet" for number in (0, 2, 10)]


def test_a_name_that_begins_like_another_has_its_own_parts(staging: Staging) -> None:
    staging.write("milestone", 1, ROWS)
    staging.write("milestone-events", 1, ROWS)
    assert names(staging.parts("milestone")) == ["milestone-000001.parquet"]


def test_writing_a_part_again_replaces_it(staging: Staging) -> None:
    staging.write("records", 1, ROWS)
    staging.write("records", 1, ROWS.slice(1))
    (part,) = staging.parts("records")
    assert pq.read_table(part).to_pylist() == [{"n": 2}]


def test_refused_files_are_those_of_decoding_and_of_rules(staging: Staging) -> None:
    for name in (REFUSED_BY_RULES, REFUSED_BY_DECODING, "records"):
        staging.write(name, 0, ROWS)
    assert names(staging.refused_files) == [
        f"{REFUSED_BY_DECODING}-000000.parquet",
        f"{REFUSED_BY_RULES}-000000.parquet",
    ]


def test_remove_deletes_only_the_named_parts(staging: Staging) -> None:
    for name in ("a", "b"):
        staging.write(name, 0, ROWS)
    staging.remove(["a", "missing"])
    assert (staging.parts("a"), names(staging.parts("b"))) == ([], ["b-000000.parquet"])


def test_clear_removes_everything_and_creates_the_folder(staging: Staging) -> None:
    staging.write("a", 0, ROWS)
    staging.updated_only.write_bytes(b"")
    staging.clear()
    assert list(staging.folder.iterdir()) == []
