"""The published file is found, opened for one query and closed; errors have a message and a command."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from board.published import HOME_VARIABLE, Unavailable, identity_of, published_file, reading

from .known import RACES, WORLD
from .publishing import Publisher, publishing


def test_it_is_in_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    assert published_file() == tmp_path / "published" / "milestones.duckdb"
    monkeypatch.delenv(HOME_VARIABLE)
    monkeypatch.chdir(tmp_path)
    assert published_file() == tmp_path / "data" / "published" / "milestones.duckdb"


def test_nothing_published(no_home: Path) -> None:
    with pytest.raises(Unavailable, match="Nothing is published at") as raised, reading(no_home / "milestones.duckdb"):
        pytest.fail("opened a missing file")
    assert raised.value.command == "milestones ingest"
    assert HOME_VARIABLE in raised.value.advice


@pytest.mark.parametrize("content", [b"", b"not a database" * 999], ids=["empty", "something else"])
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "milestones.duckdb"
    file.write_bytes(content)
    with pytest.raises(Unavailable) as raised, reading(file) as connection:
        connection.execute("FROM freshness")
    assert "milestones rebuild" in raised.value.command


def test_a_file_of_another_version(tmp_path: Path) -> None:
    file = tmp_path / "it's old.duckdb"
    duckdb.connect(str(file)).close()
    with pytest.raises(Unavailable, match="freshness") as raised, reading(file) as connection:
        connection.execute("FROM freshness")
    assert raised.value.command == "milestones rebuild"


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM milestones", "COPY (SELECT 1) TO '/dev/null'", "SET threads = 1", "INSTALL httpfs"],
    ids=["write", "files", "settings", "extensions"],
)
def test_it_is_read_only(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    with pytest.raises(duckdb.Error):
        connection.execute(statement)


def test_it_is_closed_again(known: Publisher) -> None:
    def handles() -> list[Path]:
        links = (link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
        return [link for link in links if link.suffix == ".duckdb"]

    with reading(known.file):
        assert handles()
    assert not handles()


def test_many_at_once(known: Publisher) -> None:
    def count(_: int) -> int:
        with reading(known.file) as connection:
            return int(connection.execute("SELECT count(*) FROM milestones").fetchall()[0][0])

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(count, range(40))) == {RACES + 9}


def test_a_publish_does_not_affect_an_open_connection(tmp_path: Path) -> None:
    with publishing(tmp_path) as publisher:
        publisher.milestones(*WORLD[:3])
        before = identity_of(publisher.file)
        with reading(publisher.file) as connection:
            publisher.milestones(WORLD[3])
            assert connection.execute("SELECT count(*) FROM milestones").fetchall() == [(3,)]
            with reading(publisher.file) as another:
                assert another.execute("SELECT count(*) FROM milestones").fetchall() == [(4,)]
        assert identity_of(publisher.file) != before
