"""Names in the asset graph: one key for each table, one code version for each stage."""

from __future__ import annotations

from pipelines.orchestration.keys import (
    CODE_VERSIONS,
    ENDPOINT_ASSET_TABLES,
    FLAT_KEYS,
    PAGES_KEY,
    PUBLISHED_KEYS,
    RECORDS_KEY,
    WAREHOUSE_KEY,
)
from schemas.endpoints import PUBLISHED_TABLES
from schemas.tables import FLAT_TABLES, MILESTONE_TABLES, SCHEMA_VERSION


def test_every_table_has_its_own_key() -> None:
    assert [key.path for key in FLAT_KEYS.values()] == [["tables", table.name] for table in FLAT_TABLES]
    tables = [*MILESTONE_TABLES, *ENDPOINT_ASSET_TABLES]
    assert [key.path for key in PUBLISHED_KEYS.values()] == [["published", table.name] for table in tables]
    # The shared ledger, quarantine and unknown keys of endpoints are written by every refresh.
    assert {table.name for table in PUBLISHED_TABLES} - {table.name for table in tables} == {
        "endpoint_sweeps",
        "endpoint_quarantine",
        "unknown_keys",
    }
    keys = [PAGES_KEY, RECORDS_KEY, WAREHOUSE_KEY, *FLAT_KEYS.values(), *PUBLISHED_KEYS.values()]
    assert len(keys) == len(set(keys))


def test_code_versions_of_stages_with_a_schema_follow_it() -> None:
    assert set(CODE_VERSIONS) == {"pages", "records", "tables", "warehouse", "published", "endpoints"}
    assert [
        CODE_VERSIONS[stage].endswith(f"schema-{SCHEMA_VERSION}") for stage in ("tables", "warehouse", "endpoints")
    ] == [True] * 3
