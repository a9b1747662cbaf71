"""Check results of the stages: what passes, what fails, with which severity and description."""

from __future__ import annotations

import dagster as dg

from pipelines.orchestration.keys import FLAT_KEYS, RECORDS_KEY
from pipelines.orchestration.stage_checks import drift_check, fields_check, rules_check, share_check
from pipelines.staging.stage_records import Decoded
from pipelines.staging.stage_tables import Flattened
from pipelines.sweep.staged_sweep import StagedSweep


def test_missing_fields_are_a_warning() -> None:
    assert fields_check(Decoded(received=3, decoded=3)).passed
    result = fields_check(Decoded(received=3, decoded=3, missing_fields={"title": 2, "category": 1}))
    assert (result.passed, result.severity, result.asset_key) == (False, dg.AssetCheckSeverity.WARN, RECORDS_KEY)
    assert result.description == "category is missing from 1 of 3; title is missing from 2 of 3"


def test_broken_rules_of_a_table_are_a_warning() -> None:
    breaches = {"milestones.title_is_not_empty": 1, "milestone_events.key_is_unique": 2}
    staged = StagedSweep(Decoded(received=9, decoded=9), flattened=Flattened(breaches=breaches))
    result = rules_check("milestone_events", staged)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.asset_key == FLAT_KEYS["milestone_events"]
    assert result.description == "2 records refused by milestone_events.key_is_unique"
    assert rules_check("milestone_sources", staged).passed


def test_drift_is_a_warning_that_names_the_first_five() -> None:
    assert drift_check(StagedSweep(Decoded())).passed
    drift = [f"x: f{number} is string" for number in range(101)]
    result = drift_check(StagedSweep(Decoded(), drift=drift))
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.description == "; ".join(drift[:5])
    assert result.metadata["drift_count"].value == 101


def test_too_many_refused_records_are_an_error() -> None:
    assert share_check(StagedSweep(Decoded(received=100, decoded=99, quarantined=1))).passed
    staged = StagedSweep(Decoded(received=100, decoded=98, quarantined=2))
    result = share_check(staged)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert result.description == staged.refusal
    assert result.metadata["share"].value == 0.02
