"""Runs the Dagster job in this process, so that the run appears in the UI, and words its failure in one line."""

from __future__ import annotations

from typing import Any

import dagster as dg

from pipelines.definitions import build_defs
from pipelines.errors import DiskFull, MilestonesError, is_disk_full
from pipelines.home import Home
from pipelines.instance import point_dagster_at
from pipelines.jobs import INGEST_JOB
from pipelines.kalshi.errors import KalshiError
from pipelines.landing import Landing
from pipelines.resources import HomeResource
from pipelines.sweeping import Progress


class RunFailed(MilestonesError):
    """The run did not reach its end; `str()` says why."""


def run_ingest(home: Home, config: dict[str, Any], progress: Progress) -> str:
    """One run of the job; its id. Raises MilestonesError or KalshiError, whatever they were raised from."""
    point_dagster_at(home)
    job = build_defs(progress=progress, stations=HomeResource(path=str(home.root))).resolve_job_def(INGEST_JOB)
    before = _newest_id(home)
    run_config = {
        "ops": {"pages": {"config": config}},
        # What happened is told by us; every event is in Dagster's log.
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    with dg.DagsterInstance.get() as instance:
        try:
            result = job.execute_in_process(run_config=run_config, instance=instance)
        except dg.DagsterExecutionInterruptedError as error:
            raise KeyboardInterrupt from error
        except Exception as error:
            raise _cause(error, home, before) from error
    return result.run_id


def _cause(error: Exception, home: Home, before: str | None) -> Exception:
    """The fault that a user can act on, out of what Dagster wrapped around it.

    `before` is the sweep that was the newest when the run began: its story is not this run's.
    """
    link: BaseException | None = error
    # Dagster's chains of exceptions can be rings.
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        if isinstance(link, (MilestonesError, KalshiError)):
            return link
        seen.add(id(link))
        link = link.__cause__ or link.__context__
    if is_disk_full(error):
        return DiskFull(home.root)
    landing = Landing.newest(home.raw)
    if landing is not None and landing.sweep.sweep_id != before and landing.sweep.state == "failed":
        return RunFailed(landing.sweep.error or "no reason was left")
    return RunFailed(f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}")


def _newest_id(home: Home) -> str | None:
    landing = Landing.newest(home.raw)
    return landing.sweep.sweep_id if landing else None
