"""The commands `cluster worker`, `cluster ingest` and `cluster check`: a full sweep on several machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.console import Console

from pipelines.cli.app import EXIT_FAILED, FLAG, app, print_error
from pipelines.errors import ExtraMissing, MilestonesError
from pipelines.storage.home import Home

cluster = App(name="cluster", help="Run full sweeps on several machines.")
app.command(cluster)

_PACKAGES = ("celery", "dagster_celery", "dagster_postgres", "kombu", "redis", "throttled", "yaml")


@cluster.command
def worker(*, writer: Annotated[bool, FLAG] = False) -> int:
    """Run a worker of the cluster until it is stopped; it ends after its current step.

    Parameters
    ----------
    writer
        Take the step that merges, on the machine that has the home. Start one such worker; others read pages.
    """
    with _extra():
        from pipelines.cluster.worker import run_worker
        from pipelines.orchestration.instance import point_dagster_at_cluster
    home = Home.from_environment()
    home.preflight()
    point_dagster_at_cluster(home)
    run_worker(is_writer=writer)
    return 0


@cluster.command
def ingest(
    *,
    ranges: Annotated[int, Parameter(validator=Number(gte=1, lte=500))] = 8,
    allow_shrink: Annotated[bool, FLAG] = False,
    start_anew: Annotated[bool, FLAG] = False,
) -> int:
    """Run one full sweep on the workers of the cluster, and wait for it.

    Parameters
    ----------
    ranges
        The most ranges of starts into which the list is divided; each is read by one step.
    allow_shrink
        Accept a full sweep that returns far fewer milestones than before.
    start_anew
        Create a new warehouse without history, if the old one is lost.
    """
    with _extra():
        from pipelines.cluster.run import run_on_cluster
    run = run_on_cluster(Home.from_environment(), ranges=ranges, allow_shrink=allow_shrink, start_anew=start_anew)
    if run.fault is not None:
        print_error(run.fault)
        return EXIT_FAILED
    Console().print(f"the sweep is published; run {run.run_id}", highlight=False, soft_wrap=True)
    return 0


@cluster.command
def check() -> int:
    """Check the settings of the cluster, and that its lake, Redis, PostgreSQL and workers can be reached."""
    with _extra():
        from pipelines.cluster.check import check_cluster
    status = 0
    for found in check_cluster(Home.from_environment()):
        if isinstance(found, MilestonesError):
            print_error(str(found))
            status = status or found.exit_status
        else:
            Console().print(found, highlight=False, markup=False, soft_wrap=True)
    return status


@contextmanager
def _extra() -> Iterator[None]:
    """Raise ExtraMissing where a package of the extra is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES:
            raise
        raise ExtraMissing("a cluster", "cluster", command="uv pip install -r requirements/cluster.txt") from error
