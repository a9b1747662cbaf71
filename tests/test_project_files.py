"""Files of the project are found in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.project_files import CHECKOUT, project_file


@pytest.mark.parametrize("path", ["dagster.yaml", "docs/cookbook.md", "dashboard/app.py"])
def test_a_checkout_has_the_files_themselves(path: str) -> None:
    assert project_file(path) == CHECKOUT / path
    assert project_file(path).is_file()


def test_a_wheel_has_copies_inside_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "pipelines"
    copy = package / "project" / "dagster.yaml"
    copy.parent.mkdir(parents=True)
    copy.touch()
    monkeypatch.setattr("importlib.resources.files", {"pipelines": package}.__getitem__)
    assert project_file("dagster.yaml") == copy
