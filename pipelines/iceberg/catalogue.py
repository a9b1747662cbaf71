"""Opens the Iceberg catalogue that a user names, and turns the errors of pyiceberg into one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, ValidationException
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from pipelines.errors import MilestonesError, WrongUse
from pipelines.observability.redaction import redact
from pipelines.storage.home import expanded

NAME_OF_A_URL = "milestones"
"""The name of a catalogue that is given as a URL: an SQL catalogue keeps the tables of several names apart."""


class IcebergFailed(MilestonesError):
    """The catalogue or the warehouse of Iceberg refused an operation."""


@contextmanager
def open_catalogue(catalogue: str, warehouse: str | None) -> Iterator[Catalog]:
    """Open a catalogue by the name that pyiceberg's configuration gives it, or an SQL catalogue by its SQLAlchemy URL.

    `warehouse` is the folder or URL of the tables' files, which a URL needs: by default the folder of an SQLite file.
    Raises WrongUse for a name or a URL that means nothing, IcebergFailed for what fails inside the block.
    """
    opened = _by_url(catalogue, warehouse) if "://" in catalogue else _by_name(catalogue, warehouse)
    with closing(opened), _explained(catalogue):
        yield opened


def _by_name(name: str, warehouse: str | None) -> Catalog:
    if warehouse is not None:
        raise WrongUse(f"--warehouse goes with a URL only: the configuration of {name} says where its files are")
    try:
        with _explained(name):
            return load_catalog(name)
    except ValueError as error:
        raise WrongUse(
            f"pyiceberg has no catalogue {name} ({_first_line(error)}): configure it in ~/.pyiceberg.yaml or "
            f"PYICEBERG_CATALOG__{name.upper()}__URI, or give a URL such as sqlite:///lake/catalog.db"
        ) from error


def _by_url(text: str, warehouse: str | None) -> Catalog:
    try:
        url = make_url(text)
        url.get_dialect()
    except (ArgumentError, SQLAlchemyError) as error:
        raise WrongUse(
            f"{redact(text)} is no URL of an SQL catalogue: give sqlite:///FILE, "
            "postgresql+psycopg2://USER@HOST/DATABASE, or a name in pyiceberg's configuration"
        ) from error
    with _explained(text):
        if url.get_backend_name() == "sqlite":
            url = _sqlite(url)
            warehouse = warehouse or str(Path(url.database or "").parent)
        if warehouse is None:
            raise WrongUse(
                f"the catalogue {redact(text)} does not say where the tables' files go: add --warehouse FOLDER"
            )
        return SqlCatalog(NAME_OF_A_URL, uri=url.render_as_string(hide_password=False), warehouse=_absolute(warehouse))


def _sqlite(url: URL) -> URL:
    """The URL with an absolute path, whose folder exists."""
    if not url.database or url.database == ":memory:":
        raise WrongUse(f"{url} is no file: a catalogue in memory would be lost, so give sqlite:///FILE")
    file = expanded(url.database).absolute()
    file.parent.mkdir(parents=True, exist_ok=True)
    return url.set(database=str(file))


def _absolute(warehouse: str) -> str:
    """A folder as an absolute path: Iceberg stores the path of every file. A URL such as s3://bucket stays."""
    return warehouse if "://" in warehouse else str(expanded(warehouse).absolute())


@contextmanager
def _explained(catalogue: str) -> Iterator[None]:
    """Turn the errors of pyiceberg and SQLAlchemy into IcebergFailed. Messages may quote a URL with its password."""
    shown = redact(catalogue)
    try:
        yield
    except (CommitFailedException, ValidationException) as error:
        raise IcebergFailed(
            f"another process changed the tables of {shown} at the same time ({_first_line(error)}): publish again"
        ) from error
    except ModuleNotFoundError as error:
        raise IcebergFailed(f"{shown} needs the package {error.name}, which is not installed: install it") from error
    except SQLAlchemyError as error:
        raise IcebergFailed(f"the catalogue {shown} does not work ({_first_line(error)}): check it") from error
    except OSError as error:
        raise IcebergFailed(
            f"cannot read or write the files of {shown} ({_first_line(error)}): check the warehouse folder, the disk "
            "and your rights, then publish again"
        ) from error


def _first_line(error: Exception) -> str:
    return redact(str(error).strip().partition("\n")[0])
