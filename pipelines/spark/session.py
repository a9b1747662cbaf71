"""A Spark session with the settings that the result depends on; errors of Spark as one line.

Everything else (memory, cores, cluster, deployment) is the user's, in Spark's own configuration.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pipelines.errors import MilestonesError, WrongUse
from pipelines.machine import cores
from pipelines.staging.files import ROWS_PER_BATCH

_MASTER = re.compile(
    r"local(\[([1-9]\d*|\*)(,[1-9]\d*)?\])?|local-cluster\[ *\d+ *, *\d+ *, *\d+ *\]|yarn|(spark|k8s)://.+"
)

ANSWER_SECONDS = 5.0
"""A machine that is off, or a firewall, answers nothing at all."""

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

    Raises WrongUse for no master, and for YARN without its configuration; SparkFailed for every error of Spark inside
    the block.
    """
    master = master or f"local[{cores()}]"
    if not _MASTER.fullmatch(master):
        raise WrongUse(f"--master {master} is no Spark master: give local[N], spark://HOST:PORT, yarn or k8s://ADDRESS")
    if master == "yarn" and not (os.environ.get("HADOOP_CONF_DIR") or os.environ.get("YARN_CONF_DIR")):
        raise WrongUse("--master yarn needs HADOOP_CONF_DIR: set it to the folder of the cluster's configuration")
    if master.startswith("spark://"):
        _check_answers(master)
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
        raise SparkFailed(f"Spark failed on {master}: {reason_of(error)}") from error


def _check_answers(master: str) -> None:
    """Connect to one of the masters: Spark tries for a minute and a half, and its error names none of them.

    Raises WrongUse for no address; SparkFailed if none answers.
    """
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise WrongUse(f"--master {master} has no host and port: give spark://HOST:PORT")
        with suppress(OSError, OverflowError):
            socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
            return
    raise SparkFailed(f"no Spark master answers at {master}: check that it runs, and --master")


def reason_of(error: Exception) -> str:
    """What went wrong, in one line: the error of our Python, else the innermost one of Java, else the first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    ours = [line for line in lines if _OF_PYTHON.match(line)]
    # The gateway's first line only says what it called.
    thrown = [line.removeprefix(": ") for line in lines if line.startswith(": ")]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return [*lines[:1], *thrown[:1], *causes[-1:], *ours[:1]][-1]
