"""Files outside the packages that commands read: `dagster.yaml`, the cookbook, the dashboard's source.

A wheel holds copies of them in the folder `project` of this package (`force-include` in pyproject.toml); a checkout has
the files themselves.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
"""The folder that holds the packages: the root of a checkout, or the site-packages of an installed wheel."""


def project_file(path: str) -> Path:
    """A file or folder of the project, by its path in the repository."""
    installed = Path(str(resources.files("pipelines"))) / "project" / path
    return installed if installed.exists() else CHECKOUT / path
