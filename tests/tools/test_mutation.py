"""The mutation score in docs/reliability.md is what was measured; each survivor is in the code and has a reason."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import cache

import pytest

from tests.conftest import PROJECT
from tools.mutation import (
    DOCUMENT,
    EQUIVALENT,
    FILE,
    PACKAGES,
    Mutation,
    Score,
    Survivor,
    module_of,
    own_tests,
    read,
    section,
    with_reasons,
    with_section,
    written,
)

TEXT = FILE.read_text(encoding="utf-8")
MEASURED = read(TEXT)
TARGET_PERCENT = 85

KNOWN = Survivor("pipelines.records.rfc3339._any", "return 1", "return 2", "no effect")
MUTATION = Mutation({"records": Score(20, 10, 9)}, (KNOWN,))


@cache
def functions_of(module: str) -> dict[str, str]:
    """The source of each function and method of a module, by name below the module."""
    source = (PROJECT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    found = {}
    for node in ast.parse(source).body:
        for child in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(child, ast.FunctionDef):
                name = f"{node.name}.{child.name}" if isinstance(node, ast.ClassDef) else child.name
                found[name] = ast.get_source_segment(source, child) or ""
    return found


@pytest.mark.parametrize("survivor", MEASURED.survivors, ids=lambda survivor: f"{survivor.function}: {survivor.now}")
def test_a_survivor_is_a_change_of_the_code_as_it_is(survivor: Survivor) -> None:
    module = module_of(survivor.function)
    source = functions_of(module)[survivor.function.removeprefix(f"{module}.")]
    lines = {line.strip() for line in source.splitlines()}
    assert set(survivor.was.splitlines()) <= lines
    assert survivor.was != survivor.now


def test_every_survivor_has_a_reason() -> None:
    assert MEASURED.without_reason() == []


def test_the_document_says_what_was_measured() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert with_section(document, MEASURED) == document


def test_the_core_keeps_its_score() -> None:
    assert tuple(MEASURED.scores) == PACKAGES
    below = [name for name, score in MEASURED.scores.items() if score.run and score.percent < TARGET_PERCENT]
    assert below == []


def test_what_is_written_is_read_back() -> None:
    odd = Survivor("pipelines.records.canonical.f", 'a = "\\x1b\\"é"', "", "odd")
    mutation = Mutation(MUTATION.scores, (odd, KNOWN))
    assert read(written(mutation)) == mutation
    assert [one.reason for one in read(written(mutation)).survivors] == ["odd", "no effect"]


def test_reasons_are_kept_and_new_survivors_have_none() -> None:
    new = Survivor("pipelines.publish.parquet.f", "a", "b")
    found = with_reasons([Survivor(KNOWN.function, KNOWN.was, KNOWN.now), new], [KNOWN])
    assert [(one.function, one.reason) for one in found] == [(new.function, ""), (KNOWN.function, "no effect")]
    assert Mutation({}, found).without_reason() == [new]


def test_the_section_has_scores_and_survivors_by_reason() -> None:
    text = section(replace(MUTATION, scores={**MUTATION.scores, "publish": Score(10, 0, 0)}))
    assert "| records | 20 | 10 | 0 | 9 | 90.0 % |" in text
    assert "| publish | 10 | 0 | 0 | 0 | not run yet |" in text
    assert "| all | 30 | 10 | 0 | 9 | 90.0 % |" in text
    assert "no effect (1):\n\n- `records.rfc3339._any`: `return 1` becomes `return 2`" in text


def test_equivalent_mutants_do_not_count_in_the_score() -> None:
    same = replace(KNOWN, reason=f"{EQUIVALENT}no effect")
    mutation = read(written(replace(MUTATION, survivors=(same,))))
    assert mutation.scores["records"] == Score(20, 10, 9, equivalent=1)
    assert mutation.total.percent == 100
    assert read(written(MUTATION)).total.percent == 90
    assert Score(20, 1, 0, equivalent=1).percent == 0


def test_a_document_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="must have one part"):
        with_section("# Reliability", MUTATION)


def test_a_mutant_is_run_by_all_tests_of_its_module_or_else_by_those_of_its_package() -> None:
    tests = ["tests/records/test_a.py::test_x", "tests/records/test_b.py::test_x", "tests/publish/test_b.py::test_x"]
    reached_by = {
        "pipelines.records.a.x_f": tests,
        "pipelines.records.c.x_f": tests,
        "pipelines.publish.b.xǁCǁf": tests,
        "pipelines.kalshi.b.x_f": tests,
    }
    # A test that uses what a fixture made for the test before it.
    later = "tests/records/test_a.py::test_y"
    found = own_tests(reached_by, [*tests, later])
    assert list(found.values()) == [[tests[0], later], tests[:2], tests[2:], []]
