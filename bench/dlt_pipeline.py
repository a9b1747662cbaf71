"""The same job with dlt, as in its documentation: a REST source merged by id into DuckDB.

Runs in an environment with dlt. It loads Parquet files: dlt's default for DuckDB, INSERT statements, takes many times
as long. A second run in the same folder merges everything again.

Usage: python bench/dlt_pipeline.py BASE_URL FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source


def main(base_url: str, folder: Path) -> None:
    """Load all milestones into `folder`."""
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{base_url}/",
                "paginator": {"type": "cursor", "cursor_path": "cursor", "cursor_param": "cursor"},
            },
            "resources": [
                {
                    "name": "milestones",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "endpoint": {"path": "milestones", "params": {"limit": 500}, "data_selector": "milestones"},
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        "milestones",
        destination=dlt.destinations.duckdb(str(folder / "dlt.duckdb")),
        dataset_name="kalshi",
        pipelines_dir=str(folder / "pipelines"),
    )
    pipeline.run(source, loader_file_format="parquet").raise_on_failed_jobs()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
