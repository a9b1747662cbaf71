"""The resources: the same texts as in docs/, and the state of the data."""

from __future__ import annotations

from pathlib import Path

from pipelines.mcp_server.documents import cookbook, data_dictionary, state
from pipelines.project_files import CHECKOUT
from pipelines.storage.home import Home

DOCS = CHECKOUT / "docs"


def test_the_dictionary_is_the_generated_one() -> None:
    assert data_dictionary() == (DOCS / "data-dictionary.md").read_text(encoding="utf-8")


def test_the_cookbook() -> None:
    assert cookbook() == (DOCS / "cookbook.md").read_text(encoding="utf-8")


def test_state(home: Home) -> None:
    text = state(home)
    assert "## Milestones\n\n| last_full_sweep_at |" in text
    assert "| full | loaded | true | 5 | 5 | 0 |" in text


def test_nothing_is_published(tmp_path: Path) -> None:
    assert "run milestones ingest first" in state(Home(tmp_path))
