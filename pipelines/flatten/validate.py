"""Validation with pandera: which rows break which rule, by native checks that name the right rows.

pandera's built-in checks give wrong or no row numbers for Arrow tables, an exception inside a check reads like bad
data, and one environment variable turns all of it off. So: every rule is a check of ours that says whether all rows
keep it, the rows that do not are found by the same rule, faults that are not of the data raise `ValidationBroken`, and
`prove_validation_works` puts a known-bad row through before anything is trusted.
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


def _remember_absent() -> None:
    """Have Python know that what pandera would use of other libraries is not there.

    pandera tries to import these for every column that it checks, and what cannot be imported is looked for, and run up
    to where it fails, every time: a quarter of the time of all validation.
    """
    for engine in ("numpy_engine", "pandas_engine", "pyspark_engine"):
        try:
            importlib.import_module(name := f"pandera.engines.{engine}")
        except ImportError:
            sys.modules[name] = None  # type: ignore[assignment]  # Python's own way to say so


_remember_absent()


class ValidationBroken(RuntimeError):
    """Validation itself does not work: a fault of the program or its environment, never of the data."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One row that breaks one rule."""

    table: str
    rule: str
    column: str
    description: str
    row: int


@cache
def pandera_schema(table: Table) -> pp.DataFrameSchema:
    """The pandera schema of a declaration: exact columns, exact types, every rule as a native check."""
    return pp.DataFrameSchema(
        # Nulls are a rule of ours: pandera's own null check names the wrong row.
        {column.name: pp.Column(column.type, nullable=True) for column in table.columns},
        checks=[pp.Check(_native(rule), name=rule.name, error=rule.name) for rule in table.all_rules],
        name=table.name,
        strict=True,
        ordered=True,
    )


def _native(rule: Rule) -> Callable[[Any], bool]:
    """A rule as pandera calls it; null is kept: whether a value may be missing is a rule of its own.

    One answer for all rows: of a column of answers pandera makes frames, which takes longer than all rules together.
    """
    return lambda data: bool(pc.all(_kept(rule, data.table), min_count=0).as_py())


def _kept(rule: Rule, data: pa.Table) -> pa.ChunkedArray:
    """One boolean a row. Raises ValueError for a rule that gives more or fewer."""
    kept = pc.fill_null(rule.holds(data), fill_value=True)
    if len(kept) != data.num_rows:
        raise ValueError(f"{rule.name} gives {len(kept)} answers for {data.num_rows} rows")
    return kept


def breaches(table: Table, data: pa.Table) -> list[Breach]:
    """Every breach in `data`, in order of row; an empty list says that all rules hold. Raises ValidationBroken."""
    try:
        pandera_schema(table).validate(data, lazy=True)
    except pp.errors.SchemaErrors as errors:
        for error in errors.schema_errors:
            if error.reason_code is not SchemaErrorReason.DATAFRAME_CHECK:
                raise ValidationBroken(
                    f"validation of {table.name} does not run: {error.reason_code}: {error}"
                ) from errors
    else:
        return []
    return _located(table, data)


def _located(table: Table, data: pa.Table) -> list[Breach]:
    """The rows behind a failed validation. pandera's own list of them repeats every row as JSON text."""
    found = [
        Breach(table.name, rule.name, rule.column, rule.description, row)
        for rule in table.all_rules
        for row in pc.indices_nonzero(pc.invert(_kept(rule, data))).to_pylist()
    ]
    if not found:
        raise ValidationBroken(f"validation of {table.name} failed, yet every rule holds")
    return sorted(found, key=lambda breach: breach.row)


def prove_validation_works() -> None:
    """Put a known-bad row through every table's schema. Raises ValidationBroken unless it is caught."""
    for table in FLAT_TABLES:
        # Without its key a row is bad in any table.
        canary = table.arrow_schema.empty_table()
        nulls = pa.Table.from_arrays([pa.nulls(1, field.type) for field in canary.schema], schema=canary.schema)
        if not any(breach.rule == f"{table.key[0]}_is_present" for breach in breaches(table, nulls)):
            raise ValidationBroken(
                f"pandera let a row of {table.name} without its key pass: is PANDERA_VALIDATION_ENABLED off?"
            )
