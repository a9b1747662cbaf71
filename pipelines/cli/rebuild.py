"""`milestones rebuild`: derives every table again, on this machine or on Spark."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from rich.console import Console

from pipelines.cli.app import app
from pipelines.errors import NothingToDo, WrongUse
from pipelines.storage.home import Home, expanded
from pipelines.storage.snapshots import check_is_published


@app.command
def rebuild(
    *, engine: Literal["local", "spark"] = "local", master: str | None = None, output: Path | None = None
) -> int:
    """Rebuild every table from the version log, and publish.

    Parameters
    ----------
    engine
        Where the log is flattened: in processes of this machine, or on Spark (the extra spark, and Java 17 or later).
    master
        The Spark cluster, for example spark://host:7077 or yarn. The cores of this machine if it is not given.
    output
        Write the tables of milestones as Parquet files into this new folder instead, from the published version log:
        Spark writes them, and neither the warehouse nor what is published is touched.
    """
    home = Home.from_environment()
    if engine == "local":
        if master is not None or output is not None:
            raise WrongUse("--master and --output need --engine spark")
        return _rebuild_home(home)
    from pipelines.spark.installed import check_java, check_pyspark

    check_pyspark()
    check_java()
    if output is not None:
        return _write_tables(home, expanded(output).absolute(), master)
    return _rebuild_home(home, on_spark=True, master=master)


def _rebuild_home(home: Home, *, on_spark: bool = False, master: str | None = None) -> int:
    """Derive the tables of the warehouse again, and publish."""
    from pipelines.orchestration.resources import utc_now
    from pipelines.recovery.take_up import take_up
    from pipelines.settings import Settings
    from pipelines.storage.leftovers import writer_session
    from pipelines.sweep.stages import Stages
    from pipelines.warehouse.database import Warehouse
    from pipelines.warehouse.rebuild import StageLog, stage_whole_log

    Warehouse(home).check_not_lost()
    if not home.warehouse_file.exists():
        raise NothingToDo(f"there is no warehouse at {home.warehouse_file}: run milestones ingest first")
    home.preflight()
    stage: StageLog = stage_whole_log
    if on_spark:
        from pipelines.spark.rebuild import stage_log

        stage = partial(stage_log, master=master)
    lake = Settings.from_environment().data_lake()
    stages = Stages(home, now=utc_now, lake=lake)
    with writer_session(home, purpose="milestones rebuild"):
        take_up(home, lake, now=utc_now())
        rows = stages.rebuild(stage)
        snapshot = stages.publish()
    _print_rows(rows)
    Console().print(f"published as {snapshot.folder}", highlight=False, soft_wrap=True)
    return 0


def _write_tables(home: Home, output: Path, master: str | None) -> int:
    """Write the tables that follow from the newest published version log into the folder `output`."""
    from collections import Counter

    from pipelines.orchestration.resources import utc_now
    from pipelines.spark.rebuild import write_tables

    check_is_published(home)
    manifest = write_tables(home.latest_snapshot.resolve(), output, now=utc_now(), master=master)
    rows: Counter[str] = Counter()
    for file in manifest.files:
        rows[str(file.table)] += file.rows
    _print_rows(rows)
    Console().print(f"written to {output}", highlight=False, soft_wrap=True)
    return 0


def _print_rows(rows: dict[str, int]) -> None:
    for name, count in rows.items():
        Console().print(f"{count:>9,}  {name}", highlight=False, markup=False)
