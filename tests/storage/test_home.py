"""The home folder: its paths, its default, and the check that it is writable."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipelines.errors import HomeUnusable, WrongSetting
from pipelines.orchestration.instance import point_dagster_at
from pipelines.storage.home import DEFAULT_HOME, HOME_VARIABLE, Home
from pipelines.storage.lock import writer_lock
from tests.support import readable_by_others, umask


def test_every_path_is_below_the_root_and_none_is_created(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    paths = [
        home.raw,
        home.warehouse,
        home.warehouse_file,
        home.lock_file,
        home.start_file,
        home.staging("000001-20261123T120000Z"),
        home.published,
        home.published_duckdb,
        home.snapshots,
        home.latest_snapshot,
        home.dagster,
    ]
    assert len(set(paths)) == len(paths)
    assert all(path.is_relative_to(home.root) for path in paths)
    assert list(tmp_path.iterdir()) == []


def test_the_public_names(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.published_duckdb == tmp_path / "published" / "milestones.duckdb"
    assert home.latest_snapshot == tmp_path / "published" / "parquet" / "latest"
    assert home.raw == tmp_path / "raw"
    assert home.dagster == tmp_path / "dagster"


@pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])
def test_the_default_is_data_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(HOME_VARIABLE, value)
    assert Home.from_environment().root == tmp_path / DEFAULT_HOME


@pytest.mark.parametrize("value", ["here", "./here", "a/../here"], ids=["relative", "dotted", "parent"])
def test_a_relative_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(HOME_VARIABLE, value)
    root = Home.from_environment().root
    assert root.is_absolute()
    assert root.resolve() == tmp_path / "here"


def test_preflight_creates_the_folders_and_removes_its_probe(tmp_path: Path) -> None:
    home = Home(tmp_path / "not" / "there" / "yet")
    home.preflight()
    home.preflight()
    assert sorted(path.name for path in home.root.iterdir()) == ["dagster", "published", "raw", "warehouse"]


# A process of its own: where the tests run as root, which ignores modes, it gives up its rights.
AS_A_USER = """
import os, sys
from pathlib import Path
from pipelines.errors import HomeUnusable
from pipelines.storage.home import Home
if os.geteuid() == 0:
    os.setuid(65_534)
try:
    Home(Path(sys.argv[1])).preflight()
except HomeUnusable as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", [".", "home"], ids=["the home", "the folder above it"])
def test_a_folder_without_permission_fails(place: str) -> None:
    # Not below tmp_path, which no other user may enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        home = Path(folder, place)
        done = subprocess.run(
            [sys.executable, "-c", AS_A_USER, str(home)], capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout == f"cannot write to {home} (Permission denied): set MILESTONES_HOME to a writable folder\n"
        assert list(Path(folder).iterdir()) == []


@pytest.mark.parametrize("mask", [0, 0o027, 0o077], ids=oct)
def test_only_the_owner_can_enter_the_state(tmp_path: Path, mask: int) -> None:
    home = Home(tmp_path / "home")
    with umask(mask):
        home.preflight()
    modes = {path.name: path.stat().st_mode & 0o777 for path in home.root.iterdir()}
    assert modes == {"raw": 0o700, "warehouse": 0o700, "dagster": 0o700, "published": 0o777 & ~mask}


def test_an_older_home_is_closed_to_others(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for folder in (home.raw, home.warehouse, home.dagster, home.published):
        folder.mkdir()
        folder.chmod(0o755)
    home.preflight()
    assert readable_by_others(tmp_path) == []
    assert home.published.stat().st_mode & 0o777 == 0o755


def test_locks_and_settings_written_without_preflight_are_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    home = Home(tmp_path)
    with umask(0), writer_lock(home, purpose="a test"):
        point_dagster_at(home)
    assert readable_by_others(tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == {"warehouse", "dagster"}


# The other cases break the paths themselves.
@pytest.mark.parametrize(
    "occupied", [".", "raw", "warehouse", "published", "dagster"], ids=lambda name: f"file: {name}"
)
def test_a_file_instead_of_a_folder_fails(tmp_path: Path, occupied: str) -> None:
    home = Home(tmp_path / "home")
    path = home.root / occupied
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(HomeUnusable) as caught:
        home.preflight()
    assert re.fullmatch(
        rf"cannot write to {re.escape(str(home.root))} \((File exists|Not a directory)\): "
        r"set MILESTONES_HOME to a writable folder",
        str(caught.value),
    )
    assert caught.value.exit_status == 1
    assert path.read_text() == "mine"


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (file := tmp_path / "home").write_text("mine")
    with pytest.raises(WrongSetting, match=rf"^the home {re.escape(str(file))} is a file: set MILESTONES_HOME to a"):
        Home.from_environment({"MILESTONES_HOME": str(file)})


def test_a_home_below_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(HomeUnusable, match=r"file/home \(Not a directory\)"):
        Home(tmp_path / "file" / "home").preflight()


def test_a_blocked_probe_fails(tmp_path: Path) -> None:
    (tmp_path / ".preflight" / "occupied").mkdir(parents=True)
    with pytest.raises(HomeUnusable, match=r"cannot write to .* \(Is a directory\)"):
        Home(tmp_path).preflight()
    assert not (tmp_path / ".preflight.tmp").exists()


@pytest.mark.slow
def test_concurrent_starts_do_not_interfere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    # Every start sets it; the test restores it.
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))

    def start(_: int) -> None:
        home.preflight()
        point_dagster_at(home)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(start, range(200))) == [None] * 200
    assert sorted(path.name for path in home.root.iterdir()) == ["dagster", "published", "raw", "warehouse"]
    assert [path.name for path in home.dagster.iterdir()] == ["dagster.yaml"]


def test_a_tilde_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MILESTONES_HOME", "~/m")
    assert Home.from_environment().root == tmp_path / "m"
    monkeypatch.setenv("MILESTONES_HOME", "~no-such-user/m")
    with pytest.raises(
        WrongSetting, match=r"^cannot expand the path ~no-such-user/m, as there is no such user: give an absolute path$"
    ):
        Home.from_environment()
