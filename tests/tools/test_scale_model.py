"""The plan upward in docs/scale.md: what the model says now, from what was measured."""

from __future__ import annotations

import pytest

from bench.scale_model import DOCUMENT, RESULTS, SIZES, Line, Model, duration, plan, with_plan
from tools.figures import results


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(results(RESULTS.read_text(encoding="utf-8")))


def test_the_document_has_the_plan_of_the_measured_figures() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_plan(text) == text


def test_a_document_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="end of plan"):
        with_plan("# Scale\n")


def test_a_line_goes_through_both_measured_sizes(model: Model) -> None:
    measured = results(RESULTS.read_text(encoding="utf-8"))
    for size in (170_000, 1_700_000):
        assert model.poll.at(size) == pytest.approx(
            float(measured[f"{size:,} milestones", "poll, 500 changed", "wall s"])
        )
    assert Line(10, 2).reaches(30) == 10


def test_requests_are_paced_by_pages(model: Model) -> None:
    # 10^8 milestones in pages of 500, 20 a second.
    assert model.paced(20).at(100_000_000) == 10_000


def test_limits_are_in_the_order_in_which_they_break(model: Model) -> None:
    text = plan(model, [])
    places = [text.index(f"| {limit.name} |") for limit in sorted(model.limits(), key=lambda x: x.cost.reaches(x.most))]
    assert places == sorted(places)
    assert [f"- **{size // 1_000_000:,} million:**" in text for size in SIZES] == [True] * 3


def test_of_another_engine_the_largest_run_counts(model: Model) -> None:
    row = {"engine": "spark", "case": "rebuild", "seconds": "10", "grows": "yes"}
    text = plan(
        model,
        [
            row | {"milestones": "1000"},
            row | {"milestones": "2000000", "seconds": "50"},
            row | {"case": "poll", "milestones": "1", "grows": "no"},
        ],
    )
    lines = [line for line in text.splitlines() if line.startswith("| spark |")]
    assert lines == ["| spark | rebuild | 2,000,000 | 25 |"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(44, "44 s"), (119, "119 s"), (300, "5 min"), (9_000, "2 h"), (500_000, "6 days")], ids=str
)
def test_durations_are_in_the_largest_unit_that_fits_twice(seconds: float, text: str) -> None:
    assert duration(seconds) == text
