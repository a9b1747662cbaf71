"""Validates Arrow tables with pandera and reports which rows break which rule.

For Arrow tables pandera's built-in checks give wrong row numbers or none, an exception inside a check looks like bad
data, and one environment variable turns validation off. Therefore every rule is a custom check with one result for the
whole table, the rows that break it are found by the same rule, faults that are not in the data raise
`ValidationBroken`, and `prove_validation_works` validates a known-bad row first.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandera.pyarrow as pp
import pyarrow as pa
import pyarrow.compute as pc
from pandera.errors import SchemaErrorReason

from schemas.table import Rule, Table
from schemas.tables import FLAT_TABLES


def _cache_missing_engines() -> None:
    """Mark pandera's optional engines that are not installed as missing.

    pandera tries to import them for every column that it checks, and Python does not cache failed imports: that took a
    quarter of the time of validation.
    """
    for engine in ("numpy_engine", "pandas_engine", "pyspark_engine"):
        try:
            importlib.import_module(name := f"pandera.engines.{engine}")
        except ImportError:
            sys.modules[name] = None  # type: ignore[assignment]  # makes later imports fail at once


_cache_missing_engines()


class ValidationBroken(RuntimeError):
    """Validation itself failed: a fault of the program or its environment, not of the data."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A row that breaks a rule; `row` counts from 0."""

    table: str
    rule: str
    column: str
    description: str
    row: int


@cache
def pandera_schema(table: Table) -> pp.DataFrameSchema:
    """The pandera schema of a table: exact columns, exact types, every rule as a custom check."""
    return pp.DataFrameSchema(
        # Nulls are checked by our own rule: pandera's null check names the wrong row.
        {column.name: pp.Column(column.type, nullable=True) for column in table.columns},
        checks=[pp.Check(_check(rule), name=rule.name, error=rule.name) for rule in table.all_rules],
        name=table.name,
        strict=True,
        ordered=True,
    )


def _check(rule: Rule) -> Callable[[Any], bool]:
    """A rule as a pandera check with one boolean for the table.

    From one boolean per row pandera would build frames, which takes longer than all rules together.
    """
    return lambda data: bool(pc.all(_row_results(rule, data.table), min_count=0).as_py())


def _row_results(rule: Rule, data: pa.Table) -> pa.ChunkedArray:
    """One boolean per row; null counts as kept, since missing values have a rule of their own.

    Raises ValueError for a rule with more or fewer results than rows.
    """
    results = pc.fill_null(rule.holds(data), fill_value=True)
    if len(results) != data.num_rows:
        raise ValueError(f"{rule.name} gives {len(results)} results for {data.num_rows} rows")
    return results


def breaches(table: Table, data: pa.Table) -> list[Breach]:
    """Every breach in `data`, ordered by row; empty where all rules hold. Raises ValidationBroken."""
    try:
        pandera_schema(table).validate(data, lazy=True)
    except pp.errors.SchemaErrors as errors:
        for error in errors.schema_errors:
            if error.reason_code is not SchemaErrorReason.DATAFRAME_CHECK:
                raise ValidationBroken(
                    f"validation of {table.name} could not run: {error.reason_code}: {error}"
                ) from errors
    else:
        return []
    return _located(table, data)


def _located(table: Table, data: pa.Table) -> list[Breach]:
    """The rows that failed validation. pandera's own list repeats every row as JSON text."""
    found = [
        Breach(table.name, rule.name, rule.column, rule.description, row)
        for rule in table.all_rules
        for row in pc.indices_nonzero(pc.invert(_row_results(rule, data))).to_pylist()
    ]
    if not found:
        raise ValidationBroken(f"validation of {table.name} failed, but every rule holds")
    return sorted(found, key=lambda breach: breach.row)


def prove_validation_works() -> None:
    """Validate a known-bad row of every flat table. Raises ValidationBroken where it passes."""
    for table in FLAT_TABLES:
        # A row without its key is bad in every table.
        canary = table.arrow_schema.empty_table()
        nulls = pa.Table.from_arrays([pa.nulls(1, field.type) for field in canary.schema], schema=canary.schema)
        if not any(breach.rule == f"{table.key[0]}_is_present" for breach in breaches(table, nulls)):
            raise ValidationBroken(
                f"pandera let a row of {table.name} without its key pass: is PANDERA_VALIDATION_ENABLED off?"
            )
