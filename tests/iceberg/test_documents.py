"""docs/scale.md is true about Iceberg: its commands and its example of time travel run as they are written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyiceberg", reason="needs the extra iceberg")

from pipelines.project_files import CHECKOUT
from tests.cli.commands import environment, process
from tests.documents import commands_of
from tests.iceberg.conftest import sweep_and_publish
from tests.support import Shell, milestone_id

pytestmark = pytest.mark.slow

SECTION = re.split(r"^## ", (CHECKOUT / "docs" / "scale.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
(ICEBERG,) = (text for text in SECTION if text.startswith("Iceberg\n"))
(EXAMPLE,) = re.findall(r"^```python\n(.*?)^```", ICEBERG, re.MULTILINE | re.DOTALL)


def run(words: list[str], shell: Shell, folder: Path, **variables: str) -> str:
    paths = {"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    outcome = process(words, environment(shell.home.root, shell.base_url) | paths | variables, cwd=folder)
    assert (outcome.status, outcome.err) == (0, "")
    return outcome.out


def test_time_travel_as_documented(shell: Shell, tmp_path: Path) -> None:
    (publish,) = (words for words in commands_of("milestones", ICEBERG) if words[0] == "publish")
    run(publish, shell, tmp_path)
    shell.world.edit_title(milestone_id(3), "another title")
    sweep_and_publish(shell)
    run(publish, shell, tmp_path)
    done = subprocess.run([sys.executable, "-c", EXAMPLE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    names = sorted(folder.name for folder in shell.home.snapshots.iterdir() if not folder.is_symlink())
    assert [line.split()[1:] for line in done.stdout.splitlines()[:2]] == [[name, "41"] for name in names]
    assert re.search(rf"{milestone_id(3)} *│ *Game 3 *│ *another title", done.stdout)


def test_a_catalogue_by_its_name_as_documented(shell: Shell, tmp_path: Path) -> None:
    uri, warehouse = dict.fromkeys(re.findall(r"`(PYICEBERG_CATALOG__LAKE__[A-Z]+)`", ICEBERG))
    variables = {uri: f"sqlite:///{tmp_path}/catalog.db", warehouse: str(tmp_path / "files")}
    run(["publish", "--iceberg", "lake"], shell, tmp_path, **variables)
    assert list((tmp_path / "files").glob("milestones/milestones/data/*.parquet"))
