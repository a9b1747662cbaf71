"""The floor: the tightest single process that reads the same pages and writes the same three tables.

Typed decoding with `details` left as raw JSON, batches that bound memory, Arrow columns into Parquet, DuckDB from
Parquet. No retry, validation, history, resumption or atomic publishing: what `milestones ingest` costs beyond it is the
price of these.

Usage: python -m bench.floor BASE_URL FOLDER
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import requests

BATCH = 20_000
"""Milestones per row group."""


class Milestone(msgspec.Struct):
    """A milestone of the list."""

    id: str
    category: str = ""
    type: str = ""
    title: str = ""
    start_date: str | None = None
    end_date: str | None = None
    source_id: str | None = None
    last_updated_ts: str | None = None
    related_event_tickers: list[str] | None = None
    details: msgspec.Raw = msgspec.Raw(b"{}")


class Page(msgspec.Struct):
    """A response of the list."""

    milestones: list[Milestone]
    cursor: str = ""


COLUMNS = ("id", "category", "type", "title", "start_date", "end_date", "source_id", "last_updated_ts")
SCHEMAS = {
    "milestones": (*COLUMNS, "details"),
    "milestone_events": ("milestone_id", "event_ticker"),
    "milestone_details": ("milestone_id", "path", "value"),
}


def fetch(base_url: str) -> Iterator[list[Milestone]]:
    """Fetch every milestone, page by page over one connection."""
    decoder = msgspec.json.Decoder(Page)
    parameters = {"limit": "500"}
    with requests.Session() as session:
        while True:
            page = decoder.decode(session.get(f"{base_url}/milestones", params=parameters, timeout=60).content)
            yield page.milestones
            if not page.cursor:
                return
            parameters["cursor"] = page.cursor


class Batch:
    """The rows of the three tables, as columns."""

    def __init__(self) -> None:
        self.columns: dict[str, list[list[Any]]] = {name: [[] for _ in names] for name, names in SCHEMAS.items()}

    def add(self, page: list[Milestone]) -> None:
        """Flatten a page."""
        columns = self.columns["milestones"]
        for column, name in zip(columns, COLUMNS, strict=False):
            column.extend([getattr(one, name) for one in page])
        columns[-1].extend([str(one.details, "utf-8") for one in page])
        ids, tickers = self.columns["milestone_events"]
        decode = msgspec.json.decode
        for one in page:
            for ticker in one.related_event_tickers or ():
                ids.append(one.id)
                tickers.append(ticker)
            self._walk(one.id, "", decode(one.details))

    def _walk(self, milestone_id: str, path: str, node: Any) -> None:
        """Add the leaves of `details`."""
        children: Any = node.items() if isinstance(node, dict) else enumerate(node)
        ids, paths, values = self.columns["milestone_details"]
        is_object = isinstance(node, dict)
        for key, child in children:
            below = (f"{path}.{key}" if path else key) if is_object else f"{path}[{key}]"
            if isinstance(child, (dict, list)):
                self._walk(milestone_id, below, child)
            else:
                ids.append(milestone_id)
                paths.append(below)
                values.append(None if child is None else str(child))

    def write(self, writers: dict[str, pq.ParquetWriter]) -> None:
        """Write a row group per table, and empty the batch."""
        for name, columns in self.columns.items():
            writers[name].write_batch(
                pa.record_batch([pa.array(column, pa.string()) for column in columns], names=list(SCHEMAS[name]))
            )
            for column in columns:
                column.clear()


def main(base_url: str, folder: Path) -> None:
    """Load all milestones into `folder`."""
    # Millions of short-lived rows without cycles.
    gc.disable()
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.parquet" for name in SCHEMAS}
    batch, waiting = Batch(), 0
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(
                pq.ParquetWriter(
                    files[name], pa.schema([(column, pa.string()) for column in columns]), compression="zstd"
                )
            )
            for name, columns in SCHEMAS.items()
        }
        for page in fetch(base_url):
            batch.add(page)
            waiting += len(page)
            if waiting >= BATCH:
                batch.write(writers)
                waiting = 0
        batch.write(writers)
    with duckdb.connect(str(folder / "floor.duckdb")) as connection:
        for name, file in files.items():
            connection.execute(f"CREATE TABLE {name} AS FROM read_parquet(?)", [str(file)])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
