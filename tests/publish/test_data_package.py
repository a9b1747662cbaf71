"""The data package describes the files of its snapshot as they are, and the tables as they are declared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.publish.data_package import DATA_PACKAGE_FILE
from pipelines.publish.manifest import Manifest, verify
from pipelines.publish.snapshot import Snapshot, publish
from pipelines.storage.home import Home
from schemas.data_package import LICENSE, PROFILE, SOURCE
from schemas.endpoints import PUBLISHED_TABLES
from schemas.tables import SCHEMA_VERSION
from tests.support import NOON, Shell, copied, milestone, serving_shells

pytestmark = pytest.mark.slow

TYPES = {
    "string": pa.types.is_string,
    "boolean": pa.types.is_boolean,
    "integer": pa.types.is_integer,
    "number": pa.types.is_floating,
    "datetime": pa.types.is_timestamp,
    "array": pa.types.is_list,
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Forty football games, and a type whose details name their columns in another order than their paths."""
    with serving_shells() as shells:
        days = [f"{NOON + timedelta(days=number):%Y-%m-%dT%H:%M:%SZ}" for number in range(40)]
        odd = {"B": 1, "a": {"b": [True]}, "a b": "x", "é": 1.5, "Z": None, "a_b": 2}
        shell = shells(
            tmp_path_factory.mktemp("described"),
            [
                *(milestone(number, start_date=day) for number, day in enumerate(days)),
                milestone(50, type="odd", details=odd),
                milestone(51, type="bare", details={}),
                milestone(52, type="keyed", details={"17": {"x": 1}}),
            ],
        )
        shell.sweep()
        yield shell


@pytest.fixture(scope="module")
def published(loaded: Shell, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return publish(copied(loaded.home, tmp_path_factory.mktemp("copy") / "home"), now=NOON, per_range=10)


@pytest.fixture(scope="module")
def package(published: Snapshot) -> dict[str, Any]:
    found = json.loads((published.folder / DATA_PACKAGE_FILE).read_bytes())
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def resources(package: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {resource["name"]: resource for resource in package["resources"]}


def paths(resource: dict[str, Any]) -> list[str]:
    return [resource["path"]] if isinstance(resource["path"], str) else resource["path"]


def test_the_package_names_its_snapshot_source_and_licence(package: dict[str, Any], published: Snapshot) -> None:
    assert {name: value for name, value in package.items() if name != "resources"} == {
        "$schema": PROFILE,
        "name": "kalshi-milestones",
        "title": "Kalshi milestones",
        "description": "Kalshi's milestones with the events, participants and live data that belong to them. "
        "All times are UTC.",
        "version": f"{SCHEMA_VERSION}.0.1",
        "created": "2026-11-23T12:00:00Z",
        "snapshot": published.folder.name,
        "sources": [SOURCE],
        "licenses": [LICENSE],
    }


def test_every_parquet_file_is_described_with_its_bytes_rows_and_hash(
    resources: dict[str, dict[str, Any]], published: Snapshot
) -> None:
    described = {part["path"]: part for resource in resources.values() for part in resource.get("parts", [resource])}
    assert described.keys() == {str(file.relative_to(published.folder)) for file in published.folder.rglob("*.parquet")}
    for path, part in described.items():
        data = (published.folder / path).read_bytes()
        assert part["bytes"] == len(data)
        assert part["hash"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert part["rows"] == pq.read_metadata(published.folder / path).num_rows


def test_a_table_in_ranges_lists_its_files_and_their_sums(
    resources: dict[str, dict[str, Any]], published: Snapshot
) -> None:
    milestones = resources["milestones"]
    assert len(milestones["path"]) > 1
    assert milestones["path"] == [part["path"] for part in milestones["parts"]]
    assert milestones["rows"] == published.rows["milestones"]
    assert milestones["bytes"] == sum(part["bytes"] for part in milestones["parts"])
    assert "hash" not in milestones


def test_fields_are_the_columns_of_the_files_in_their_order(
    resources: dict[str, dict[str, Any]], published: Snapshot
) -> None:
    assert {"details_odd", "details_bare", "details_football_game"} < resources.keys()
    for name, resource in resources.items():
        schema = pq.read_schema(published.folder / paths(resource)[0])
        fields = resource["schema"]["fields"]
        assert [field["name"] for field in fields] == schema.names, name
        for field in fields:
            assert TYPES[field["type"]](schema.field(field["name"]).type), (name, field)
            assert field["description"]


@pytest.mark.parametrize("table", PUBLISHED_TABLES, ids=lambda table: table.name)
def test_a_declared_table_keeps_its_key_references_and_required_columns(
    resources: dict[str, dict[str, Any]], table: Any
) -> None:
    schema = resources[table.name]["schema"]
    assert schema["primaryKey"] == list(table.key)
    assert [
        (foreign["fields"][0], foreign["reference"]["resource"], foreign["reference"]["fields"][0])
        for foreign in schema.get("foreignKeys", [])
    ] == [(one.column, one.table, one.to) for one in table.references]
    required = [field["name"] for field in schema["fields"] if field.get("constraints", {}).get("required")]
    assert required == [column.name for column in table.columns if not column.nullable]


def constraints(resources: dict[str, dict[str, Any]], table: str, column: str) -> Any:
    fields = {field["name"]: field for field in resources[table]["schema"]["fields"]}
    return fields[column].get("constraints")


def test_rules_are_constraints_where_a_keyword_says_them(resources: dict[str, dict[str, Any]]) -> None:
    assert constraints(resources, "milestones", "status_group") == {
        "enum": ["scheduled", "live", "ended", "off", "unknown"]
    }
    assert constraints(resources, "milestones", "type") == {"required": True, "minLength": 1}
    assert constraints(resources, "milestones", "content_hash") == {"required": True, "pattern": "[0-9a-f]{32}"}
    assert constraints(resources, "milestone_versions", "version") == {"required": True, "minimum": 1}
    assert constraints(resources, "milestone_events", "related_position") == {"minimum": 0}
    assert constraints(resources, "milestone_versions", "valid_to") is None


def test_a_typed_table_names_the_source_of_each_column(resources: dict[str, dict[str, Any]]) -> None:
    schema = resources["details_football_game"]["schema"]
    (week,) = (field for field in schema["fields"] if field["name"] == "season_week")
    assert week["source"] == "details.season.week"
    assert week["description"] == "details.season.week; JSON kinds: integer."
    assert constraints(resources, "details_football_game", "milestone_id") == {"required": True}
    # The details as a whole, where their keys are ids.
    assert [field.get("source") for field in resources["details_keyed"]["schema"]["fields"]] == [None, "details"]
    assert schema["primaryKey"] == ["milestone_id"]
    assert schema["foreignKeys"][0]["reference"]["resource"] == "milestones"


def test_a_snapshot_of_a_version_without_data_packages_is_verified_and_reused(loaded: Shell, tmp_path: Path) -> None:
    home = copied(loaded.home, tmp_path / "home")
    old = publish(home, now=NOON)
    _forget_data_package(home, old)
    assert verify(home).differences == []
    new = publish(home, now=NOON)
    assert verify(home).differences == []
    assert (new.folder / DATA_PACKAGE_FILE).exists()
    milestones = Path("milestones", "part-000.parquet")
    assert (old.folder / milestones).samefile(new.folder / milestones)


def _forget_data_package(home: Home, old: Snapshot) -> None:
    (old.folder / DATA_PACKAGE_FILE).unlink()
    manifest: Manifest = msgspec.structs.replace(
        old.manifest, files=[file for file in old.manifest.files if not file.path.endswith(DATA_PACKAGE_FILE)]
    )
    manifest.write(home.latest_snapshot.resolve())
