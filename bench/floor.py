"""The floor: a bare script without safety, as a careful user would write it in an afternoon.

It fetches page by page, decodes, and writes a long table of details to Parquet and DuckDB. No retry, validation,
history, resumption or atomic publishing; everything in memory. What `milestones ingest` costs beyond it is the price
of these.

Usage: python -m bench.floor BASE_URL FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import requests

COLUMNS = ("id", "category", "type", "title", "start_date", "end_date", "source_id", "last_updated_ts")


def fetch(base_url: str) -> list[dict[str, Any]]:
    """Fetch every milestone, page by page over one connection."""
    found: list[dict[str, Any]] = []
    with requests.Session() as session:
        parameters = {"limit": "500"}
        while True:
            page = msgspec.json.decode(session.get(f"{base_url}/milestones", params=parameters, timeout=60).content)
            found += page["milestones"]
            if not page.get("cursor"):
                return found
            parameters["cursor"] = page["cursor"]


def leaves(milestone_id: str, path: str, node: Any, rows: list[tuple[str, str, str]]) -> None:
    """The leaves of details as rows of a long table."""
    if isinstance(node, dict):
        for key, child in node.items():
            leaves(milestone_id, f"{path}.{key}" if path else key, child, rows)
    elif isinstance(node, list):
        for index, child in enumerate(node):
            leaves(milestone_id, f"{path}[{index}]", child, rows)
    else:
        rows.append((milestone_id, path, str(node)))


def main(base_url: str, folder: Path) -> None:
    """Load all milestones into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    milestones = fetch(base_url)
    encode = msgspec.json.Encoder(order="sorted").encode
    columns: dict[str, list[Any]] = {name: [one.get(name) for one in milestones] for name in COLUMNS}
    columns["details"] = [encode(one["details"]).decode() for one in milestones]
    rows: list[tuple[str, str, str]] = []
    events = [(one["id"], ticker) for one in milestones for ticker in one["related_event_tickers"] or ()]
    for one in milestones:
        leaves(one["id"], "", one["details"], rows)
    tables = {
        "milestones": pa.table(columns),
        "milestone_events": _table(("milestone_id", "event_ticker"), events),
        "milestone_details": _table(("milestone_id", "path", "value"), rows),
    }
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    with duckdb.connect(str(folder / "floor.duckdb")) as connection:
        for name in tables:
            connection.execute(
                f"CREATE TABLE {name} AS SELECT * FROM read_parquet(?)",  # noqa: S608
                [str(folder / f"{name}.parquet")],
            )


def _table(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> pa.Table:
    return pa.table(dict(zip(names, (list(column) for column in zip(*rows, strict=True)), strict=True)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
