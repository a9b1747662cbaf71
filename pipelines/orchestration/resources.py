"""Dagster resources: the stages over a home folder with its writer's lock, and the API client."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from pipelines.contract import Contract
from pipelines.kalshi.client import KalshiClient
from pipelines.kalshi.pacing import Pace
from pipelines.orchestration.run_history import fail_dead_runs
from pipelines.recovery.take_up import take_up
from pipelines.settings import MAX_OVERLAP_SECONDS, Settings
from pipelines.storage.home import Home, expanded
from pipelines.storage.leftovers import writer_session
from pipelines.storage.retention import Retention
from pipelines.sweep.stages import Stages
from schemas.api import PAGE_LIMIT


def utc_now() -> datetime:
    """The current time in UTC. All recorded times come from here."""
    return datetime.now(UTC)


class HomeResource(dg.ConfigurableResource[Stages]):
    """Gives assets the stages over a home folder, and holds its writer's lock for the duration of a run."""

    path: str | None = Field(default=None, description="The home folder; default: $MILESTONES_HOME or ./data.")
    contract: str | None = Field(
        default=None,
        description="The contract of details, such as evolve,football_game=freeze; default: $MILESTONES_CONTRACT.",
    )
    overlap_seconds: int | None = Field(
        default=None,
        ge=0,
        le=MAX_OVERLAP_SECONDS,
        description="Seconds before the watermark from which to sweep; default: $KALSHI_OVERLAP_SECONDS or 300.",
    )

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Stages]:
        """Check that the home can be written, and hold its lock; an empty one takes its state from the lake.

        Raises HomeUnusable, WarehouseBusy, WrongSetting, LakeUnusable, LakeAhead, PublishedDiffers.
        Every run calls this, so dead runs are marked as failed here.
        """
        home = Home(expanded(self.path).absolute()) if self.path else Home.from_environment()
        home.preflight()
        run_id = context.run.run_id if context.run else None
        settings = Settings.from_environment()
        contract = settings.details_contract() if self.contract is None else Contract.parse(self.contract)
        overlap_seconds = settings.overlap_seconds if self.overlap_seconds is None else self.overlap_seconds
        retention = Retention(snapshots=settings.keep_snapshots, sweeps=settings.keep_sweeps)
        lake = settings.data_lake()
        with writer_session(home, purpose=f"run {run_id or 'without id'}"):
            if context.instance is not None:
                fail_dead_runs(context.instance, home, own_run_id=run_id, now=utc_now())
            take_up(home, lake, now=utc_now())
            yield Stages(
                home,
                now=utc_now,
                contract=contract,
                retention=retention,
                overlap_seconds=overlap_seconds,
                lake=lake,
            )


class KalshiResource(dg.ConfigurableResource[KalshiClient]):
    """Creates API clients. Unset fields default to environment variables, documented in docs.

    A proxy and a key can only be set in the environment: Dagster stores run configuration, and both are secrets. A
    base URL of the run configuration gets signed requests only if it is on the host that the environment names.
    """

    base_url: str | None = Field(
        default=None, description="Base URL of the API; default: $KALSHI_BASE_URL or the documented one."
    )
    requests_per_second: float | None = Field(
        default=None, description="Maximum request rate, 0 for no limit; default: $KALSHI_REQUESTS_PER_SECOND or 4."
    )
    deadline_seconds: float | None = Field(
        default=None, description="Deadline of a page with all its attempts; default: $KALSHI_DEADLINE_SECONDS or 60."
    )

    page_limit: int | None = Field(
        default=None, ge=1, le=PAGE_LIMIT, description="Milestones per page; default: $KALSHI_PAGE_LIMIT or 500."
    )

    def client(self, home: Home | None = None) -> KalshiClient:
        """A new client for one sweep; the caller closes it. All clients of a `home` share one pace, in any process.

        Raises BadBaseUrl, WrongSetting.
        """
        settings = Settings.from_environment()
        rate = settings.requests_per_second if self.requests_per_second is None else self.requests_per_second
        deadline = settings.deadline_seconds if self.deadline_seconds is None else self.deadline_seconds
        return KalshiClient(
            self.base_url or settings.api_base_url,
            fallback_base_url=None if self.base_url else settings.fallback_base_url,
            network=settings.network(),
            pace_file=home.pace_file if home else None,
            signer=settings.signer(),
            pace=self.shared_pace(rate),
            requests_per_second=rate,
            deadline_seconds=deadline,
            page_limit=settings.page_limit if self.page_limit is None else self.page_limit,
        )

    def shared_pace(self, requests_per_second: float) -> Pace | None:  # noqa: ARG002 - for a subclass
        """The pace that several machines share; None: the processes of the home share one."""
        return None
