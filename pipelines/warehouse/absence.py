"""Absences: what a complete full sweep did not bring, and which of it was missing from the one before as well."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.sql import literal


@dataclass(frozen=True)
class Absences:
    """`known` milestones are held to exist, `absent` of them were not brought; `twice` were missing before, too."""

    known: int
    absent: int
    twice: list[str]


def find_absences(
    connection: duckdb.DuckDBPyConnection, seen: list[pa.Array], absent_file: Path, *, most: int
) -> Absences:
    """Write the absent milestone_ids to `absent_file`; `twice` lists at most `most` of those missing twice."""
    seen_file = absent_file.with_name("seen.parquet")
    ids = pa.chunked_array(seen, pa.string())
    pq.write_table(pa.table({"milestone_id": ids}), seen_file)
    connection.execute(
        "COPY (SELECT milestone_id FROM milestones "  # noqa: S608
        f"ANTI JOIN read_parquet({literal(str(seen_file))}) AS seen USING (milestone_id) "
        f"WHERE vanished_at IS NULL ORDER BY milestone_id) TO {literal(str(absent_file))} (FORMAT parquet)"
    )
    seen_file.unlink()
    known = connection.execute("SELECT count(*) FROM milestones WHERE vanished_at IS NULL").fetchall()[0][0]
    absent = pq.read_metadata(absent_file).num_rows
    twice = connection.execute(
        "SELECT milestone_id FROM read_parquet(?) SEMI JOIN internal_absences AS before USING (milestone_id) "
        "ORDER BY milestone_id LIMIT ?",
        [str(absent_file), most],
    ).fetchall()
    return Absences(known, absent, [row[0] for row in twice])
