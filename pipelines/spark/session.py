"""A Spark session with the settings that the result depends on; errors of Spark as one line.

Everything else (memory, cores, cluster, deployment) is the user's, in Spark's own configuration.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pipelines.errors import MilestonesError, WrongUse
from pipelines.machine import cores
from pipelines.staging.files import ROWS_PER_BATCH

_MASTER = re.compile(r"local(\[([1-9]\d*|\*)(,[1-9]\d*)?\])?|local-cluster\[.+\]|yarn|(spark|k8s)://.+")

_OF_PYTHON = re.compile(r"(?!py4j\.|org\.|java\.)[\w.]+(Error|Exception): .")

_SETTINGS = {
    "spark.app.name": "milestones",
    "spark.sql.session.timeZone": "UTC",
    # Times before 1900 are the same instants in the files and in Spark, as in every other reader.
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(ROWS_PER_BATCH),
    # Damage of the published log must not become damage of what is derived from it.
    "spark.hadoop.parquet.page.verify-checksum.enabled": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}


class SparkFailed(MilestonesError):
    """Spark did not start, or a job failed after Spark's own retries."""


@contextmanager
def spark_session(master: str | None, scratch: Path) -> Iterator[SparkSession]:
    """A session on `master`, or on the cores of this machine; a local one writes its shuffles to the folder `scratch`.

    Raises WrongUse for no master; SparkFailed for every error of Spark inside the block.
    """
    master = master or f"local[{cores()}]"
    if not _MASTER.fullmatch(master):
        raise WrongUse(f"--master {master} is no Spark master: give local[N], spark://HOST:PORT, yarn or k8s://ADDRESS")
    # The executors must run this Python, with these packages, unless the user names another.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.config(map=dict(_SETTINGS)).master(master)
    if master.startswith("local"):
        builder = builder.config("spark.local.dir", str(scratch)).config("spark.driver.host", "127.0.0.1")
        builder = builder.config("spark.driver.bindAddress", "127.0.0.1")
    try:
        session = builder.getOrCreate()
        try:
            yield session
        finally:
            session.stop()
    except (Py4JError, PySparkException) as error:
        raise SparkFailed(f"Spark failed on {master}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What went wrong, in one line: the error of our Python, else the innermost cause in Java, else the first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    ours = [line for line in lines if _OF_PYTHON.match(line)]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return [*lines[:1], *causes[-1:], *ours[:1]][-1]
