"""Figures in README and docs are those of bench/RESULTS.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.figures import UnknownPlace, results, unmarked_figures, with_figures
from tools.generate import RESULTS, documents_with_figures

MEASURED = results(RESULTS.read_text(encoding="utf-8"))
DOCUMENTS = documents_with_figures()
SECTION = "## 170,000 milestones\n\n| case | wall s | peak MB |\n| --- | --: | --: |\n| rebuild | 11.9 | 562 |\n"
MARKER = "<!-- bench: 170,000 milestones / rebuild / wall s -->"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_marked_figure_is_what_was_measured(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert with_figures(text, MEASURED) == text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_figure_of_a_benchmark_is_unmarked(document: Path) -> None:
    assert list(unmarked_figures(document.read_text(encoding="utf-8"))) == []


def test_some_documents_quote_figures() -> None:
    assert {"README.md", "operations.md", "performance.md"} <= {path.name for path in DOCUMENTS}
    assert sum("<!-- bench: " in path.read_text(encoding="utf-8") for path in DOCUMENTS) >= 2


def test_a_figure_that_differs_is_replaced() -> None:
    measured = results(SECTION)
    assert with_figures(f"takes 13.0{MARKER} s", measured) == f"takes 11.9{MARKER} s"
    assert with_figures(f"takes 13{MARKER} s", measured) == f"takes 12{MARKER} s"


def test_a_place_that_was_not_measured_is_an_error() -> None:
    with pytest.raises(UnknownPlace, match="rebuilt"):
        with_figures(f"takes 13{MARKER.replace('rebuild', 'rebuilt')} s", results(SECTION))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("At 170,000 milestones a rebuild takes 13 s.", 1),
        ("- 1,700,000 milestones\n  need 686 MB", 1),
        ("| 17,000 | 1.3 x |", 1),
        (f"At 170,000 milestones a rebuild takes 13{MARKER} s.", 0),
        ("170,000 milestones come in pages of 500.\n\nA page takes 60 s.", 0),
        ("```sh\nsandbox --rows 170,000 # 13 s\n```", 0),
        ("<!-- single runs -->\n170,000: from 3 to 2 s\n<!-- end of single runs -->", 0),
    ],
    ids=["sentence", "list item", "table row", "marked", "another paragraph", "code", "single runs"],
)
def test_unmarked_figures_are_found(text: str, count: int) -> None:
    assert len(list(unmarked_figures(text))) == count
