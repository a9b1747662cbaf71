"""Whether damage on disk is ever published: `python -m bench.flips`.

One random bit is flipped in a file that the next publish copies or reuses: the warehouse, a Parquet file of the
previous snapshot, or its manifest. Then a staged poll is loaded and published. Either the result equals that of an
undamaged home, or the run ends with one line and the old state is still published. `milestones verify` must report a
flipped bit in the published DuckDB file.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from bench.server import change
from pipelines.errors import MilestonesError, PublishedDiffers
from pipelines.kalshi.client import KalshiClient
from pipelines.publish.manifest import MANIFEST_FILE, Manifest, verify
from pipelines.publish.snapshot import publish
from pipelines.storage.home import Home
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from pipelines.sweep.stages import Stages
from sandbox.app import build_app
from sandbox.generate import generate_bodies
from sandbox.server import running
from sandbox.world import World
from schemas.sql import literal, quote

FLIPS = int(os.environ.get("BENCH_FLIPS", "200"))
SEED = int(os.environ.get("BENCH_SEED", "1"))
ROWS = 2_000
CHANGES = 5
PER_RANGE = 200
"""Small ranges, so that there are files to link; a home of this size would have one range."""

State = dict[str, tuple[object, ...]]
"""The row count and an order-independent hash of every table, in the DuckDB file and in Parquet."""


@dataclass
class Outcome:
    """Outcomes of the flips in one kind of file; `carried` (damage was published) and `crashed` are faults."""

    ended: Counter[str] = field(default_factory=Counter)
    carried: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)


def now() -> datetime:
    """The clock of the sandbox and of the homes."""
    return datetime.now(UTC)


def warehouse(home: Home) -> list[Path]:
    """The file that a publish copies."""
    return [home.warehouse_file]


def parquet(home: Home) -> list[Path]:
    """The files that a publish can link."""
    return sorted(home.latest_snapshot.resolve().rglob("*.parquet"))


def manifest(home: Home) -> list[Path]:
    """The manifest of these files."""
    return [home.latest_snapshot.resolve() / MANIFEST_FILE]


REUSED: dict[str, Callable[[Home], list[Path]]] = {"warehouse": warehouse, "parquet": parquet, "manifest": manifest}


class Flips:
    """A published home with a staged poll, and the state after publishing that poll."""

    def __init__(self, folder: Path, world: World, base_url: str, *, seed: int) -> None:
        self._folder = folder
        self.random = random.Random(seed)  # noqa: S311 - places, not secrets
        self.home = Home(folder / "home")
        self.home.preflight()
        stages = Stages(self.home, now=now)
        with KalshiClient(base_url, requests_per_second=0) as api:
            stages.land(api, SweepRequest(mode="full"), NullProgress())
            stages.stage_records()
            stages.stage_tables()
            stages.load()
            publish(self.home, now=now(), per_range=PER_RANGE)
            self.old = state_of(self.home)
            change(world, CHANGES)
            stages.land(api, SweepRequest(), NullProgress())
            stages.stage_records()
            stages.stage_tables()
        with self._copied() as home:
            load_and_publish(home)
            self.new = state_of(home)

    def flip_once(self, kind: str, found: Outcome) -> None:
        """Flip one bit in a file that is reused, then load and publish."""
        with self._copied() as home:
            where = self._flip(self.random.choice(REUSED[kind](home)))
            try:
                load_and_publish(home)
            except MilestonesError as error:
                found.ended["refused"] += 1
                if kind == "warehouse" and str(home.warehouse_file) not in str(error):
                    found.crashed.append(f"{where}: the line does not name the warehouse: {error}")
                self._expect(home, self.old, where, found)
            except Exception as error:  # noqa: BLE001 - any other exception is a crash
                found.crashed.append(f"{where}: {type(error).__name__}: {error}")
            else:
                found.ended["published whole"] += 1
                self._expect(home, self.new, where, found)

    def flip_published(self, found: Outcome) -> None:
        """Flip one bit in the published DuckDB file, then verify."""
        with self._copied() as home:
            where = self._flip(home.published_duckdb)
            if str(home.published_duckdb) in " ".join(verify(home).differences):
                found.ended["named"] += 1
            else:
                found.carried.append(f"{where}: verify says nothing")

    def _expect(self, home: Home, expected: State, where: str, found: Outcome) -> None:
        if expected is self.old and _is_damaged_manifest(home):
            # The damage itself remains and is reported; the files are unchanged.
            return
        try:
            differences = verify(home).differences
            state = state_of(home)
        except (MilestonesError, duckdb.Error) as error:
            found.carried.append(f"{where}: {error}")
            return
        if state != expected or (expected is self.new and differences):
            wrong = [name for name in expected.keys() | state.keys() if state.get(name) != expected.get(name)]
            found.carried.append(f"{where}: {', '.join([*wrong, *differences])}")

    def _flip(self, file: Path) -> str:
        content = bytearray(file.read_bytes())
        place, bit = self.random.randrange(len(content)), self.random.randrange(8)
        content[place] ^= 1 << bit
        # Files of snapshots may be linked: change only the bytes under this name.
        file.unlink()
        file.write_bytes(content)
        return f"bit {bit} of byte {place} of {file.name}"

    @contextmanager
    def _copied(self) -> Iterator[Home]:
        copy = Home(Path(shutil.copytree(self.home.root, self._folder / "copy", symlinks=True)))
        try:
            yield copy
        finally:
            shutil.rmtree(copy.root)


def load_and_publish(home: Home) -> None:
    """Load and publish a staged sweep, as a run does."""
    Stages(home, now=now).load()
    publish(home, now=now(), per_range=PER_RANGE)


def _is_damaged_manifest(home: Home) -> bool:
    try:
        Manifest.read(home.latest_snapshot)
    except PublishedDiffers:
        return True
    return False


def state_of(home: Home) -> State:
    """The state of both published forms, without the ledger and its times."""
    hashes = "SELECT count(*), bit_xor(hash(t)), sum(hash(t)::HUGEINT) FROM {} AS t"
    state: State = {}
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH {literal(str(home.published_duckdb))} AS published (READ_ONLY)")
        names = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'published'"
        ).fetchall()
        for (name,) in names:
            if name in ("sweeps", "schema_version"):
                continue
            state[name] = connection.execute(hashes.format(f"published.{quote(name)}")).fetchall()[0]
            files = f"{home.latest_snapshot.resolve()}/{name}/**/*.parquet"
            rows = f"(SELECT * FROM read_parquet({literal(files)}))"  # noqa: S608
            state[f"{name}.parquet"] = connection.execute(hashes.format(rows)).fetchall()[0]
    return state


@contextmanager
def prepared(*, seed: int, rows: int = ROWS) -> Iterator[Flips]:
    """The benchmark with a temporary folder and a server."""
    world = World(generate_bodies(rows, seed, now()), now=now)
    with (
        tempfile.TemporaryDirectory(prefix="milestones-flips-") as folder,
        running(build_app(world)) as server,
    ):
        yield Flips(Path(folder), world, server.base_url, seed=seed)


def main() -> None:
    """Flip, load, publish, compare; print a Markdown table and the faults."""
    begun = time.perf_counter()
    outcomes = {name: Outcome() for name in (*REUSED, "published DuckDB file")}
    with prepared(seed=SEED) as bench:
        for _ in range(FLIPS):
            for kind in REUSED:
                bench.flip_once(kind, outcomes[kind])
            bench.flip_published(outcomes["published DuckDB file"])
    print(f"seed {SEED}, {ROWS:,} milestones, {time.perf_counter() - begun:.0f} s\n")
    print("| file | flips | ended | carried | crashed |")
    print("| --- | --- | --- | --- | --- |")
    for name, found in outcomes.items():
        ended = ", ".join(f"{count} {how}" for how, count in found.ended.items())
        print(f"| {name} | {FLIPS} | {ended} | {len(found.carried)} | {len(found.crashed)} |")
    faults = [fault for found in outcomes.values() for fault in (*found.carried, *found.crashed)]
    for fault in faults:
        print(f"- {fault}")
    if faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
