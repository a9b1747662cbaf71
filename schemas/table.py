"""What a table declaration is, and what follows from one: Arrow schema, DuckDB DDL, pandera schema.

A table is declared once, in `schemas.tables`. Dagster's TableSchema (pipelines.orchestration.metadata) and the data
dictionary (schemas.dictionary) are made from the same declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.sql import literal, quote

TEXT = pa.string()
BYTES = pa.binary()
BOOLEAN = pa.bool_()
INTEGER = pa.int32()
BIGINT = pa.int64()
DOUBLE = pa.float64()
TIMESTAMP = pa.timestamp("us", tz="UTC")

SQL_TYPES: dict[pa.DataType, str] = {
    TEXT: "VARCHAR",
    BYTES: "BLOB",
    BOOLEAN: "BOOLEAN",
    INTEGER: "INTEGER",
    BIGINT: "BIGINT",
    DOUBLE: "DOUBLE",
    TIMESTAMP: "TIMESTAMPTZ",
}


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, whether it may be NULL, what it means and where in the API's answer it comes from.

    `source` is a path in the milestone as the API sends it, or how the value is made. `generated` is an SQL
    expression: DuckDB computes the column, nobody stores it. `is_searched`: it is looked through with every poll, and
    so stored as it is.
    """

    name: str
    type: pa.DataType
    description: str
    source: str
    nullable: bool = False
    generated: str | None = None
    is_searched: bool = False

    @property
    def sql_type(self) -> str:
        """The DuckDB type."""
        return SQL_TYPES[self.type]

    @property
    def ddl(self) -> str:
        """The column's line in CREATE TABLE."""
        if self.generated:
            return f"{quote(self.name)} {self.sql_type} GENERATED ALWAYS AS ({self.generated}) VIRTUAL"
        constraint = "" if self.nullable else " NOT NULL"
        # What DuckDB makes of ids, FSST, is two thirds as large and takes more than twice as long to look through.
        compression = " USING COMPRESSION uncompressed" if self.is_searched else ""
        return f"{quote(self.name)} {self.sql_type}{constraint}{compression}"


@dataclass(frozen=True)
class Rule:
    """A rule that every row must keep: `holds(table)` gives one boolean a row (null counts as kept).

    `column` names the field that a breach is reported against.
    """

    name: str
    column: str
    description: str
    holds: Callable[[pa.Table], Any]


@dataclass(frozen=True)
class Reference:
    """Every value of `column` stands in `table`.`to`, and the reverse too where `is_total`."""

    column: str
    table: str
    to: str
    is_total: bool = False


@dataclass(frozen=True)
class Table:
    """One table: what a row is, its columns, its key, the rules of its rows and what it refers to."""

    name: str
    grain: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    references: tuple[Reference, ...] = ()

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema, generated columns included; field metadata carries the description."""
        return pa.schema(
            [
                pa.field(c.name, c.type, nullable=c.nullable, metadata={"description": c.description})
                for c in self.columns
            ]
        )

    @cached_property
    def stored_columns(self) -> tuple[str, ...]:
        """The names of the columns that are stored, in order."""
        return tuple(column.name for column in self.columns if not column.generated)

    @property
    def ddl(self) -> str:
        """CREATE TABLE for DuckDB.

        No PRIMARY KEY: its index makes every load slower and lets no row be deleted and inserted again in one
        transaction; keys are checked by query before anything is published.
        """
        body = ",\n  ".join(column.ddl for column in self.columns)
        return f"CREATE TABLE {quote(self.name)} (\n  {body}\n)"

    @property
    def comments(self) -> list[str]:
        """COMMENT ON statements: the table and each column describe themselves inside DuckDB."""
        statements = [f"COMMENT ON TABLE {quote(self.name)} IS {literal(self.description)}"]
        statements += [
            f"COMMENT ON COLUMN {quote(self.name)}.{quote(c.name)} IS {literal(c.description)}" for c in self.columns
        ]
        return statements

    def create(self, execute: Callable[[str], object]) -> None:
        """Make the table, comments included, through a connection's `execute`."""
        for statement in (self.ddl, *self.comments):
            execute(statement)

    @cached_property
    def all_rules(self) -> tuple[Rule, ...]:
        """The declared rules after those that every table has: required columns filled, the key unique."""
        required = tuple(
            Rule(f"{c.name}_is_present", c.name, f"{c.name} is never NULL", _is_present(c.name))
            for c in self.columns
            if not c.nullable
        )
        unique = Rule("key_is_unique", self.key[0], f"({', '.join(self.key)}) is unique", _is_unique(self.key))
        return (*required, unique, *self.rules)

    def from_columns(self, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
        """An Arrow table of this schema from one sequence a column; times are microseconds since 1970 UTC.

        What is an Arrow column already must have the declared type.
        """
        arrays = [
            values if isinstance(values := columns[f.name], pa.ChunkedArray) else pa.array(values, type=f.type)
            for f in self.arrow_schema
        ]
        return pa.Table.from_arrays(arrays, schema=self.arrow_schema)


def _is_present(column: str) -> Callable[[pa.Table], Any]:
    return lambda table: pc.is_valid(table[column])


def _is_unique(key: tuple[str, ...]) -> Callable[[pa.Table], Any]:
    """True for the first row of each key, false for every later one."""

    def holds(table: pa.Table) -> pa.Array:
        numbered = table.select(list(key)).append_column("#row", pa.arange(0, table.num_rows))
        first = numbered.group_by(list(key)).aggregate([("#row", "min")])["#row_min"]
        return pc.is_in(numbered["#row"], value_set=first.combine_chunks())

    return holds
