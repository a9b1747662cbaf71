"""Dagster resources of a cluster: an API client that keeps the shared pace, and outputs of steps in the lake."""

from typing import Any

import dagster as dg
import msgspec

from pipelines.cluster.pace import RedisPace
from pipelines.cluster.shared_pages import OUTPUTS, cluster_lake
from pipelines.kalshi.pacing import Pace
from pipelines.orchestration.resources import KalshiResource


class ClusterKalshiResource(KalshiResource):
    """Creates API clients that share one pace with all machines of the cluster."""

    def shared_pace(self, requests_per_second: float) -> Pace | None:
        """The pace in Redis. Raises WrongSetting."""
        return RedisPace.from_settings(requests_per_second)


class LakeIOManager(dg.ConfigurableIOManager):
    """Keeps the outputs of steps as JSON in the lake, where every machine can read them."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write an output."""
        cluster_lake().write(_name(context), msgspec.json.encode(obj))

    def load_input(self, context: dg.InputContext) -> Any:
        """Read the output that is this input."""
        upstream = context.upstream_output
        assert upstream is not None  # noqa: S101 - inputs of the job come from its own steps only
        return msgspec.json.decode(cluster_lake().read(_name(upstream)))


def _name(context: dg.OutputContext) -> str:
    run_id, *names = context.get_identifier()
    return f"{OUTPUTS}/{run_id}/{'-'.join(names)}.json"
