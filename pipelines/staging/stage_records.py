"""Landed pages to staged records: decoded strictly, in this process or, while pages still come, in a helping one.

What cannot be decoded becomes rows for the quarantine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Self

import msgspec
import pyarrow.parquet as pq

from pipelines.records.decode import Record, Refusal, decode_page, decode_single
from pipelines.staging.files import COMPRESSION, ROWS_PER_BATCH, Staging
from pipelines.staging.worker import Helper, HelperFailed, help_with
from pipelines.storage.landing import Landing, Page, Sweep
from schemas.table import Table
from schemas.tables import QUARANTINE, RECORDS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PAGES_WORTH_A_HELPER = 8
"""Starting a process costs as much as decoding about twenty; a sweep that has brought these mostly brings more."""

NO_MORE_PAGES = b"\n"


@dataclass
class Decoded:
    """What decoding a sweep gave: counts, and what in the answers departs from the API's description.

    `missing_fields` counts records without a value for a field that is documented as required, `unknown_fields` records
    with a field that is not documented, each by the field's name.
    """

    received: int = 0
    decoded: int = 0
    quarantined: int = 0
    missing_fields: dict[str, int] = field(default_factory=dict)
    unknown_fields: dict[str, int] = field(default_factory=dict)
    newest_update: datetime | None = None


def stage_records(staging: Staging, sweep_id: str, pages: Iterable[Page]) -> Decoded:
    """Decode landed pages into staged records and rows for the quarantine."""
    staging.folder.mkdir(parents=True, exist_ok=True)
    with _RecordFiles(staging, sweep_id) as files:
        for page in pages:
            files.take(page)
        return files.finish()


class DecodingAhead:
    """Decodes the pages of a sweep in a helping process while the rest are fetched.

    A helper is started once there are pages enough to be worth it. Whatever becomes of it, the pages are on disk:
    where `finish` gives None, they are decoded again.
    """

    def __init__(self, staging: Staging, landing: Landing) -> None:
        self._staging = staging
        self._landing = landing
        self._helper: Helper | None = None
        self._fed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._helper is not None:
            self._helper.stop()

    def resumed(self, sweep: Sweep) -> None:
        """Pages that were landed before are decoded with the next one."""

    def page(self, sweep: Sweep, page: Page) -> None:
        """A page is on disk."""
        number = page.number
        if self._helper is None and number >= PAGES_WORTH_A_HELPER:
            self._staging.clear()
            self._helper = Helper(
                "pipelines.staging.stage_records", self._staging.folder, str(self._landing.folder), sweep.sweep_id
            )
        if self._helper is not None:
            try:
                # Those that came before it was started, too.
                for one in range(self._fed + 1, number + 1):
                    self._helper.stdin.write(b"%d\n" % one)
                self._helper.stdin.flush()
            except BrokenPipeError:
                return
            self._fed = number

    def finish(self) -> Decoded | None:
        """Wait for the helper, and take over what it staged; None where there is none that can be used."""
        if self._helper is None:
            return None
        try:
            self._helper.stdin.write(NO_MORE_PAGES)
            decoded = msgspec.json.decode(self._helper.result(), type=Decoded)
        except (BrokenPipeError, HelperFailed):
            # A page that cannot be decoded fails again, and says why, where nobody helps.
            return None
        self._staging.adopt(Staging(self._helper.folder))
        return decoded


class _RecordFiles:
    """The staged records and quarantine rows of a sweep, written a batch at a time."""

    def __init__(self, staging: Staging, sweep_id: str) -> None:
        self._sweep_id = sweep_id
        self._result = Decoded()
        self._newest: int | None = None
        self._stack = ExitStack()
        self._records = self._open(staging.file(RECORDS), RECORDS)
        self._refused = self._open(staging.refused_by_decoding, QUARANTINE)

    def _open(self, file: Path, table: Table) -> _Batches:
        writer = pq.ParquetWriter(file, table.arrow_schema, compression=COMPRESSION)
        return _Batches(self._stack.enter_context(writer), table)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self, page: Page) -> None:
        """Decode a page."""
        items = decode_page(page.body) if page.is_list else [decode_single(page.body)]
        self._result.received += len(items)
        records = [item for item in items if isinstance(item, Record)]
        self._take_records(page, records)
        if len(records) < len(items):
            self._take_refusals(page, [item for item in items if isinstance(item, Refusal)])

    def _take_records(self, page: Page, records: list[Record]) -> None:
        result = self._result
        result.decoded += len(records)
        for record in records:
            _count(result.missing_fields, record.missing_fields)
            _count(result.unknown_fields, record.unknown_fields)
        updates = [record.last_updated_ts for record in records]
        self._newest = max((time for time in (*updates, self._newest) if time is not None), default=None)
        self._records.extend(
            page=[page.number] * len(records),
            position=[record.position for record in records],
            milestone_id=[record.milestone_id for record in records],
            content_hash=[record.content_hash for record in records],
            last_updated_ts=updates,
            seen_at=[page.fetched_at] * len(records),
            record=[record.text for record in records],
        )

    def _take_refusals(self, page: Page, refusals: list[Refusal]) -> None:
        self._result.quarantined += len(refusals)
        self._refused.extend(
            sweep_id=[self._sweep_id] * len(refusals),
            page=[page.number] * len(refusals),
            position=[refusal.position for refusal in refusals],
            milestone_id=[refusal.milestone_id for refusal in refusals],
            reason=[refusal.reason for refusal in refusals],
            field=[refusal.field for refusal in refusals],
            record=[refusal.record for refusal in refusals],
            seen_at=[page.fetched_at] * len(refusals),
        )

    def finish(self) -> Decoded:
        """Write what is left; what all of it gave."""
        self._records.flush()
        self._refused.flush()
        if self._newest is not None:
            self._result.newest_update = EPOCH + timedelta(microseconds=self._newest)
        return self._result


def _count(counts: dict[str, int], names: Iterable[str]) -> None:
    for name in names:
        counts[name] = counts.get(name, 0) + 1


class _Batches:
    """Columns of one table on their way into a Parquet file, a row group for each batch."""

    def __init__(self, writer: pq.ParquetWriter, table: Table) -> None:
        self._writer = writer
        self._table = table
        self._columns: dict[str, list[Any]] = {name: [] for name in table.arrow_schema.names}

    def extend(self, **columns: list[Any]) -> None:
        for name, values in self._columns.items():
            values.extend(columns[name])
        while len(next(iter(self._columns.values()))) >= ROWS_PER_BATCH:
            self._write(ROWS_PER_BATCH)

    def flush(self) -> None:
        self._write(ROWS_PER_BATCH)

    def _write(self, count: int) -> None:
        self._writer.write_table(
            self._table.from_columns({name: values[:count] for name, values in self._columns.items()})
        )
        self._columns = {name: values[count:] for name, values in self._columns.items()}


def _decode_for_feeder(stdin: IO[bytes], folder: Path, arguments: list[str]) -> bytes:
    raw, sweep_id = arguments
    landing = Landing.open(Path(raw).parent, sweep_id)

    def pages() -> Iterator[Page]:
        while (line := stdin.readline()) not in (b"", NO_MORE_PAGES):
            yield landing.page(int(line))

    return msgspec.json.encode(stage_records(Staging(folder), sweep_id, pages()))


if __name__ == "__main__":
    help_with(_decode_for_feeder)
