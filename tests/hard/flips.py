"""One flipped bit: in any published file, which `verify` must name; and in a file that the next publish reuses.

How the second kind is judged is in `bench.flips`. For comparison, a damaged Parquet file is also read by DuckDB, which
checks nothing.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

import duckdb

from bench.flips import REUSED, Flips, Outcome
from bench.flips import prepared as flips_prepared
from pipelines.errors import PublishedDiffers
from pipelines.publish.manifest import verify
from schemas.sql import literal
from tests.hard.campaign import Campaign, Case, Judge, Totals, drawn

ROWS = 300


@contextlib.contextmanager
def published(seed: int) -> Iterator[Judge]:
    """A published home. `verify` names a manifest by the link to the newest snapshot."""
    with flips_prepared(seed=seed, rows=ROWS) as flips:
        home = flips.home
        files = [home.published_duckdb, *(path for path in home.latest_snapshot.resolve().rglob("*") if path.is_file())]
        yield functools.partial(_flipped, flips, sorted(files), seed)


def _flipped(flips: Flips, files: list[Path], seed: int, number: int) -> Case:
    draw = drawn(seed, "flip", number)
    # Every second one in the DuckDB file, which is most of what is published.
    file = flips.home.published_duckdb if number % 2 else draw.choice(files)
    content = file.read_bytes()
    place, bit = draw.randrange(len(content)), draw.randrange(8)
    case = Case(number, file.suffix or file.name, counts={"found": 0, "parquet": 0, "silent": 0})
    damaged = bytearray(content)
    damaged[place] ^= 1 << bit
    is_parquet = file.suffix == ".parquet"
    whole = _values(file) if is_parquet else None
    try:
        file.write_bytes(damaged)
        differences = " ".join(_differences(flips))
        if str(file) in differences or str(flips.home.latest_snapshot / file.name) in differences:
            case.counts["found"] = 1
        else:
            case.faults.append(f"verify does not name {file.name} with bit {bit} of byte {place} flipped")
        if is_parquet:
            case.counts["parquet"] = 1
            case.counts["silent"] = int(_values(file) not in (whole, None))
    finally:
        file.write_bytes(content)
    return case


def _differences(flips: Flips) -> list[str]:
    """What verify says: that a manifest cannot be read is an error of its own."""
    try:
        return list(verify(flips.home).differences)
    except PublishedDiffers as error:
        return [str(error)]


def _values(file: Path) -> object:
    """The content as DuckDB reads it; None where it notices damage."""
    with duckdb.connect() as connection:
        try:
            return connection.execute(f"SELECT * FROM read_parquet({literal(str(file))})").fetchall()
        except (duckdb.Error, UnicodeDecodeError):
            return None


@contextlib.contextmanager
def reused(seed: int) -> Iterator[Judge]:
    """A published home with a staged poll."""
    with flips_prepared(seed=seed, rows=ROWS) as flips:
        yield functools.partial(_reused, flips, seed)


def _reused(flips: Flips, seed: int, number: int) -> Case:
    kind = list(REUSED)[number % len(REUSED)]
    found = Outcome()
    flips.random = drawn(seed, "reuse", number)
    flips.flip_once(kind, found)
    return Case(number, kind, [*found.carried, *found.crashed], dict(found.ended))


def _summary(totals: Totals) -> str:
    counts = totals.counts
    share = f" ({counts['silent'] / counts['parquet']:.0%})" if counts["parquet"] else ""
    return (
        f"{counts['found']:,} of {totals.cases:,} named by `milestones verify`; DuckDB alone read {counts['silent']:,} "
        f"of {counts['parquet']:,} damaged Parquet files without a word, with other values{share}"
    )


def _summary_of_reused(totals: Totals) -> str:
    counts = totals.counts
    return (
        f"{totals.failed} carried into what is published; {counts['published whole']:,} publishes wrote the true data "
        f"all the same, {counts['refused']:,} were refused with the file's name"
    )


FLIPS = Campaign(
    name="flips",
    title="11. A flipped bit in a published file",
    unit="flips",
    cases=1_000,
    fewest=10,
    prepared=published,
    summary=_summary,
)
REUSES = Campaign(
    name="reuse",
    title="11. A flipped bit in a file that the next publish reuses",
    unit="flips",
    cases=300,
    fewest=3,
    prepared=reused,
    summary=_summary_of_reused,
)
