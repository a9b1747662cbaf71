"""Names in the asset graph: keys, groups, owners, and the code version of each stage."""

from __future__ import annotations

import dagster as dg

from schemas.endpoint import Endpoint
from schemas.endpoints import ENDPOINTS
from schemas.tables import FLAT_TABLES, MILESTONE_TABLES, SCHEMA_VERSION

CODE_VERSIONS = {
    "pages": "pages-1",
    "records": "records-1",
    "tables": f"tables-schema-{SCHEMA_VERSION}",
    "warehouse": f"warehouse-schema-{SCHEMA_VERSION}",
    "published": "published-1",
    "endpoints": f"endpoints-schema-{SCHEMA_VERSION}",
}
"""The code version of each stage: raise it if the stage gives another result for the same input."""

RAW_GROUP, TABLES_GROUP, WAREHOUSE_GROUP, PUBLISHED_GROUP = "raw", "tables", "warehouse", "published"
OWNERS = ["team:milestones"]

PAGES_KEY = dg.AssetKey("pages")
RECORDS_KEY = dg.AssetKey("records")
WAREHOUSE_KEY = dg.AssetKey("warehouse")
FLAT_KEYS = {table.name: dg.AssetKey(["tables", table.name]) for table in FLAT_TABLES}
ENDPOINT_ASSET_TABLES = tuple(table for endpoint in ENDPOINTS for table in (endpoint.log, *endpoint.tables))
"""The tables of endpoints beside milestones that are assets; their ledger and quarantine are not."""

PUBLISHED_KEYS = {
    table.name: dg.AssetKey(["published", table.name]) for table in (*MILESTONE_TABLES, *ENDPOINT_ASSET_TABLES)
}


def refresh_job_name(endpoint: Endpoint) -> str:
    """The name of the job that refreshes an endpoint, and of its schedule."""
    return f"{endpoint.name}_refresh"


CLUSTER_JOB = "ingest_cluster"
"""The job whose steps run on several machines; its runs have no process here that could be looked at."""

POOL = "milestones_writer"
"""Pool with a limit of one, set in dagster.yaml. A second writer is excluded by the kernel lock on the home folder."""
