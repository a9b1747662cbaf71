"""PostgreSQL, which holds the runs of a cluster: its address, and whether it answers."""

from __future__ import annotations

import os
from collections.abc import Mapping

import sqlalchemy
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from pipelines.errors import MilestonesError, WrongSetting
from pipelines.escaping import printable
from pipelines.settings import POSTGRES_VARIABLE, setting

ANSWER_SECONDS = 5

_FORM = "give postgresql+psycopg2://USER:PASSWORD@HOST:PORT/DATABASE"


class PostgresUnusable(MilestonesError):
    """PostgreSQL, which holds Dagster's runs, cannot be used."""

    def __init__(self, error: BaseException) -> None:
        if isinstance(error, DagsterPostgresException) and error.__cause__ is not None:
            error = error.__cause__
        # The driver's message has the host and the port, and no password.
        reason = str(getattr(error, "orig", None) or type(error).__name__).partition("\n")[0]
        super().__init__(
            f"PostgreSQL cannot be used ({printable(reason)}): check that it runs, and {POSTGRES_VARIABLE}"
        )


def postgres_url(environment: Mapping[str, str] = os.environ) -> str:
    """The address of the cluster's PostgreSQL. Raises WrongSetting, which does not quote it."""
    url: str | None = setting("postgres_url", environment)
    if url is None:
        raise WrongSetting(f"{POSTGRES_VARIABLE} is not set: {_FORM}")
    if not url.startswith("postgresql+psycopg2://"):
        raise WrongSetting(f"{POSTGRES_VARIABLE} does not name the driver psycopg2: {_FORM}")
    try:
        sqlalchemy.make_url(url)
    except (ArgumentError, ValueError) as error:
        raise WrongSetting(
            f"{POSTGRES_VARIABLE} is no address: {_FORM}, and write special characters of the password as %XX"
        ) from error
    return url


def check_postgres(url: str) -> None:
    """Connect once; Dagster's storage retries for seconds, with a warning each time. Raises PostgresUnusable."""
    engine = sqlalchemy.create_engine(url, connect_args={"connect_timeout": ANSWER_SECONDS})
    try:
        engine.connect().close()
    except SQLAlchemyError as error:
        raise PostgresUnusable(error) from error
    finally:
        engine.dispose()
