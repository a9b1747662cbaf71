"""The catalogue that a user names: names, URLs, warehouses, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pyiceberg", reason="needs the extra iceberg")

from pipelines.errors import WrongUse
from pipelines.iceberg.catalogue import IcebergFailed, open_catalogue

POSTGRES = "postgresql+psycopg2://reader:correct-horse@127.0.0.1:1/lake"


def test_the_files_of_an_sqlite_catalogue_are_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_catalogue("sqlite:///new/catalog.db", None) as catalogue:
        assert catalogue.properties["warehouse"] == str(tmp_path / "new")
    assert (tmp_path / "new" / "catalog.db").exists()


@pytest.mark.parametrize(
    ("warehouse", "expected"), [("files", "{folder}/files"), ("s3://bucket/lake", "s3://bucket/lake")]
)
def test_a_warehouse_is_an_absolute_folder_or_a_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warehouse: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_catalogue("sqlite:///catalog.db", warehouse) as catalogue:
        assert catalogue.properties["warehouse"] == expected.format(folder=tmp_path)


def test_a_name_has_its_warehouse_in_its_configuration() -> None:
    with pytest.raises(WrongUse, match="--warehouse goes with a URL only"), open_catalogue("lake", "files"):
        pass


@pytest.mark.parametrize(
    ("catalogue", "expected"),
    [
        ("nowhere", r"pyiceberg has no catalogue nowhere .* PYICEBERG_CATALOG__NOWHERE__URI, or give a URL"),
        ("foo://x", "foo://x is no URL of an SQL catalogue: give sqlite:///FILE"),
        ("sqlite://", "a catalogue in memory would be lost, so give sqlite:///FILE"),
        ("sqlite:///:memory:", "a catalogue in memory would be lost, so give sqlite:///FILE"),
        (POSTGRES, r"127.0.0.1:1/lake does not say where the tables' files go: add --warehouse FOLDER"),
    ],
)
def test_a_catalogue_that_means_nothing(catalogue: str, expected: str) -> None:
    with pytest.raises(WrongUse, match=expected) as raised, open_catalogue(catalogue, None):
        pass
    assert "correct-horse" not in str(raised.value)


@pytest.mark.parametrize(
    ("catalogue", "expected"),
    [
        (POSTGRES, r"127.0.0.1:1/lake does not work .*Connection refused"),
        ("sqlite:////proc/nothing/catalog.db", "cannot read or write the files of sqlite:////proc/nothing/catalog.db"),
        ("mysql://x/y", "needs the package MySQLdb"),
    ],
    ids=["a server that is not there", "a folder that cannot be made", "a driver that is missing"],
)
def test_a_catalogue_that_does_not_work(catalogue: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(IcebergFailed, match=expected) as raised, open_catalogue(catalogue, str(tmp_path)):
        pass
    assert "correct-horse" not in str(raised.value)
