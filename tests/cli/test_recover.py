"""`verify` names each kind of damage and the command that mends it; after that command, `verify` is clean."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from pipelines.endpoints.refresh import EndpointRefresh
from pipelines.storage.home import Home
from pipelines.storage.landing import Filters, Landing, Page
from pipelines.warehouse.blocks import BLOCK_BYTES, HEADER_BYTES
from schemas.targets import TARGETS
from tests.cli.commands import Command
from tests.endpoints.scripted_records import ScriptedRecords
from tests.support import NOON, Shell, Shells, contents, milestone, milestone_id, page_body, rows_of, team_id, tree

pytestmark = pytest.mark.slow

REBUILD, RESTORE = "milestones rebuild", "milestones restore"


@pytest.fixture(scope="module")
def sound(shells: Shells, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Three sweeps with a history and a refused record, and structured targets; published."""
    shell = shells(tmp_path_factory.mktemp("sound"), [*map(milestone, range(1, 121)), milestone(999, title=7)])
    shell.home.preflight()
    shell.sweep()
    shell.clock.forward(hours=1)
    shell.world.edit_title(milestone_id(3), "Moved to Tuesday")
    shell.world.remove(milestone_id(5))
    shell.sweep(mode="full", allow_shrink=True)
    shell.clock.forward(hours=1)
    shell.world.edit_title(milestone_id(7), "Another title")
    shell.sweep()
    shell.stages.publish()
    api = ScriptedRecords(shell.clock)
    api.records["targets"] = [{"id": team_id(n), "name": f"Team {n}", "type": "football_team"} for n in (1, 2)]
    assert EndpointRefresh(shell.home, TARGETS, now=shell.clock).run(api) is not None  # type: ignore[arg-type]
    return shell


@pytest.fixture
def home(sound: Shell, tmp_path: Path, at: Callable[..., Home]) -> Home:
    """A copy of that home, for the commands."""
    shutil.copytree(sound.home.root, tmp_path / "home", symlinks=True)
    return at(tmp_path / "home")


def flip(file: Path, at: float = 0.5) -> None:
    with file.open("r+b") as opened:
        opened.seek(int(file.stat().st_size * at))
        (byte,) = opened.read(1)
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([byte ^ 1]))


def cut_off(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def change(home: Home, statement: str) -> None:
    """Change the warehouse by hand: its blocks stay valid."""
    with duckdb.connect(str(home.warehouse_file)) as connection:
        connection.execute(statement)


def overwrite_blocks(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(HEADER_BYTES + BLOCK_BYTES)
        opened.write(bytes(file.stat().st_size - HEADER_BYTES - BLOCK_BYTES))


def lose_databases(home: Home) -> None:
    home.warehouse_file.unlink()
    home.published_duckdb.unlink()


def append_block(file: Path) -> None:
    """A block that holds nothing and has no valid checksum."""
    with file.open("ab") as opened:
        opened.write(b"\1" * BLOCK_BYTES)


def sweep_folder(home: Home, number: int, kind: str = "") -> Path:
    return next((home.raw / kind).glob(f"{number:06d}-*"))


DAMAGE: dict[str, tuple[Callable[[Home], object], str, str]] = {
    "a bit of a Parquet file": (
        lambda home: flip(next(home.latest_snapshot.glob("milestone_versions/*.parquet"))),
        r"milestone_versions/\S+ differs from its manifest",
        REBUILD,
    ),
    "the published DuckDB file": (
        lambda home: home.published_duckdb.unlink(),
        r"milestones\.duckdb is missing",
        REBUILD,
    ),
    "the manifest": (lambda home: flip(home.latest_snapshot / "manifest.json"), r"manifest\.json is damaged", REBUILD),
    "the link to the snapshot": (lambda home: home.latest_snapshot.unlink(), "nothing is published in", REBUILD),
    "everything published": (lambda home: shutil.rmtree(home.published), "nothing is published in", REBUILD),
    "a lost warehouse": (lambda home: home.warehouse_file.unlink(), "there is no warehouse at", RESTORE),
    "all but the snapshots and landed pages": (
        lose_databases,
        "parquet has snapshots that were published from one",
        RESTORE,
    ),
    "a cut warehouse": (
        lambda home: cut_off(home.warehouse_file),
        r"warehouse\.duckdb is damaged",
        RESTORE,
    ),
    "blocks with rows": (lambda home: overwrite_blocks(home.warehouse_file), r"warehouse\.duckdb is damaged", RESTORE),
    "a block without rows": (lambda home: append_block(home.warehouse_file), "a block that holds no rows", REBUILD),
    "a record in the log": (
        lambda home: change(home, "UPDATE milestone_versions SET record = replace(record, '\"Game 2\"', '\"Game Z\"')"),
        f"1 version with a record that differs from its content hash, for example of {milestone_id(2)}",
        RESTORE,
    ),
    "a record that is no JSON": (
        lambda home: change(
            home, f"UPDATE milestone_versions SET record = '{{' WHERE milestone_id = '{milestone_id(2)}'"
        ),
        "milestone_versions: 1 version with a record that differs from its content hash",
        RESTORE,
    ),
    "a version twice": (
        lambda home: change(
            home, "INSERT INTO milestone_versions BY NAME SELECT * EXCLUDE (is_current) FROM milestone_versions LIMIT 1"
        ),
        "milestone_versions: 1 version with the number of another one",
        RESTORE,
    ),
    "a version that never ended": (
        lambda home: change(home, "UPDATE milestone_versions SET valid_to = NULL WHERE version = 1"),
        "with a start before the end of the previous one",
        RESTORE,
    ),
    "a record of another endpoint": (
        lambda home: change(home, "UPDATE structured_target_versions SET record = replace(record, 'Team 1', 'Team 3')"),
        "structured_target_versions: 1 version with a record that differs from its content hash",
        RESTORE,
    ),
    "a derived value": (
        lambda home: change(home, "UPDATE milestones SET title = 'x' WHERE title = 'Game 4'"),
        "milestones: its rows are not those that the version log gives",
        REBUILD,
    ),
    "a lost derived row": (
        lambda home: change(home, "DELETE FROM structured_targets WHERE name = 'Team 2'"),
        r"structured_targets: its rows are not .* \(1 instead of 2",
        REBUILD,
    ),
    "a typed table": (
        lambda home: change(home, "DELETE FROM details_football_game"),
        "details_football_game: its rows are not those",
        REBUILD,
    ),
    "the ledger": (
        lambda home: change(home, "UPDATE sweeps SET new = new + 1 WHERE sweep_id LIKE '000001-%'"),
        "sweeps: 1 row broke the rule",
        RESTORE,
    ),
    "a page of a loaded sweep": (
        lambda home: cut_off(sweep_folder(home, 1) / "page-000001.parquet"),
        r"page-000001\.parquet is damaged",
        RESTORE,
    ),
    "a lost page of another endpoint": (
        lambda home: (sweep_folder(home, 1, "targets") / "page-000001.parquet").unlink(),
        r"raw/targets/\S+ is damaged \(it is missing\)",
        RESTORE,
    ),
    "the state of a sweep": (
        lambda home: flip(sweep_folder(home, 2) / "sweep.json"),
        r"sweep\.json is damaged",
        RESTORE,
    ),
    "a lost state of a sweep": (
        lambda home: (sweep_folder(home, 3) / "sweep.json").unlink(),
        r"sweep\.json is missing",
        RESTORE,
    ),
    "what a full sweep missed": (
        lambda home: cut_off(sweep_folder(home, 2) / "absent.parquet"),
        r"absent\.parquet is damaged",
        RESTORE,
    ),
}


def lines(text: str) -> Iterator[tuple[str, str]]:
    """The faults and the commands that `verify` printed."""
    for line in text.splitlines():
        fault, _, advice = line.removeprefix("milestones: ").rpartition(": run ")
        yield fault, advice


def test_an_intact_home(home: Home, command: Command) -> None:
    outcome = command("verify")
    assert (outcome.status, outcome.err) == (0, "")
    assert re.fullmatch(
        r"warehouse: 124 versions as hashed when received, every table has the rows that they give\n"
        r"landed pages: \d+ pages of 4 sweeps, all as landed\n"
        r"snapshot 00000\d-\S+: \d+ files, [\d,]+ bytes, all as published\n",
        outcome.out,
    )
    assert not list(home.warehouse.glob("verification-*"))
    assert command("restore").error_line.startswith(f"{home.warehouse_file} is intact: there is nothing to restore")


@pytest.mark.parametrize("name", DAMAGE)
def test_the_advised_command_mends_the_damage(home: Home, command: Command, name: str) -> None:
    before = contents(home.warehouse_file)
    damage, text, mends = DAMAGE[name]
    damage(home)

    found = command("verify")

    assert found.status == 1
    faults = dict(lines(found.err))
    assert any(re.search(text, fault) for fault in faults), found.err
    assert set(faults.values()) == {mends}, found.err
    mended = command(*mends.split()[1:])
    assert mended.status == 0, mended.err
    again = command("verify")
    assert (again.status, again.err) == (0, "")
    without = {"internal_touched", "internal_absences", "schema_version"}
    after = contents(home.warehouse_file)
    assert {n: after[n] for n in after.keys() - without} == {n: before[n] for n in before.keys() - without}


def test_a_log_with_damage_is_not_published_by_a_rebuild(home: Home, command: Command) -> None:
    change(home, "UPDATE milestone_versions SET record = replace(record, '\"Game 2\"', '\"Game Z\"')")
    before = tree(home.published)
    assert re.search("differs from its content hash.*: run milestones restore$", command("rebuild").error_line)
    assert tree(home.published) == before


@pytest.mark.parametrize("part", ["published", "warehouse", "pages"])
def test_one_part_can_be_checked(home: Home, command: Command, part: str) -> None:
    for damaged in (sweep_folder(home, 1) / "page-000001.parquet", next(home.latest_snapshot.glob("sweeps/*.parquet"))):
        cut_off(damaged)
    change(home, "DELETE FROM milestones")
    outcome = command("verify", "--only", part)
    named = {"published": "sweeps/", "warehouse": "milestones: its rows", "pages": "page-000001"}
    assert outcome.status == 1
    assert {other for other, text in named.items() if text in outcome.err} == {part}


def test_an_interrupted_sweep_is_mended_by_the_command_that_resumes_it(home: Home, command: Command) -> None:
    landing = Landing.begin(home.raw, mode="full", filters=Filters(category="Sports"), ids=[], now=datetime.now(UTC))
    landing.land(Page(1, "/milestones?limit=500", None, "c", NOON, 0, page_body([], "c")))
    cut_off(landing.page_file(1))
    assert command("verify").error_line.endswith("): run milestones ingest --category Sports")


def test_a_warehouse_of_a_newer_program_is_not_restored(home: Home, command: Command) -> None:
    change(home, "UPDATE schema_version SET version = 99")
    assert "supports up to" in command("verify").error_line
    assert command("restore").status == 1
    assert "upgrade the program" in command("restore").error_line


def test_a_warehouse_is_recreated_from_landed_pages(home: Home, command: Command) -> None:
    """Everything else is lost: the command says which history is recovered, and which is not."""
    home.warehouse_file.unlink()
    shutil.rmtree(home.published)
    cut_off(sweep_folder(home, 3) / "page-000001.parquet")
    assert {advice for _, advice in lines(command("verify").err)} == {RESTORE}

    restored = command("restore")

    assert restored.status == 0
    assert "was recreated from 3 landed sweeps and 1 of other endpoints" in restored.out
    assert "the history begins with the first of these sweeps, at 2026-11-23 12:00:00Z" in restored.out
    assert re.search(r"left out, as it is damaged: \S+/page-000001\.parquet", restored.out)
    assert re.search(r"a damaged landed sweep was moved to \S+/raw/damaged/milestones/000003-", restored.out)
    assert command("verify").status == 0
    rows = "SELECT count(*) FROM milestone_versions UNION ALL SELECT count(*) FROM structured_targets"
    assert rows_of(home.published_duckdb, rows) == [(121,), (2,)]


def test_backup(home: Home, command: Command, tmp_path: Path, at: Callable[..., Home]) -> None:
    done = command("backup", str(tmp_path / "copy"), "--verify")
    assert (done.status, done.err) == (0, "")
    assert re.match(
        r"\S+/copy: warehouse, snapshot 00000\d-\S+, 4 landed sweeps copied; [\d,]+ bytes in all\n", done.out
    )
    assert "all as published" in done.out
    (sweep_folder(home, 2) / "sweep.json").unlink()
    left_out = command("backup", str(tmp_path / "other"))
    assert left_out.status == 1
    assert f"{sweep_folder(home, 2)} is damaged and was left out" in left_out.error_line
    at(tmp_path / "copy")
    assert command("sql", "--format", "csv", "select count(*) as n from milestones").out == "n\n120\n"
    refused = command("backup", str(home.root))
    assert refused.status == 2
