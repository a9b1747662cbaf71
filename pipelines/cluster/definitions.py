"""The Dagster definitions of a cluster: those of one machine with the shared pace, and the job `ingest_cluster`."""

from __future__ import annotations

import dagster as dg

from pipelines.cluster.job import ingest_cluster
from pipelines.cluster.resources import ClusterKalshiResource
from pipelines.definitions import build_defs


@dg.definitions
def defs() -> dg.Definitions:
    """The entry point that Dagster loads."""
    return dg.Definitions.merge(build_defs(kalshi=ClusterKalshiResource()), dg.Definitions(jobs=[ingest_cluster]))
