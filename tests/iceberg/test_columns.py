"""The columns of an Iceberg table: their types, and how they follow the published ones."""

from __future__ import annotations

import pyarrow as pa
import pytest

pytest.importorskip("pyiceberg", reason="needs the extra iceberg")

from pipelines.iceberg.columns import ICEBERG_TYPES, ColumnChanges, new_schema
from schemas.table import BIGINT, BOOLEAN, DOUBLE, INTEGER, SQL_TYPES, TEXT

ID = pa.field("milestone_id", TEXT)
BEFORE = new_schema(
    pa.schema(
        [
            ID,
            pa.field("seats", INTEGER),
            pa.field("price", DOUBLE),
            pa.field("tags", pa.list_(TEXT)),
            pa.field("is_open", BOOLEAN, nullable=False),
        ]
    ),
    ("milestone_id",),
)
NOTHING: dict[str, list[str]] = {"dropped": [], "retyped": [], "added": [], "widened": [], "now_optional": []}


def test_every_declared_type_has_an_iceberg_type() -> None:
    assert ICEBERG_TYPES.keys() == SQL_TYPES.keys()


def test_a_new_table_requires_its_key_and_the_columns_that_are_never_null() -> None:
    assert [(field.name, field.required, str(field.field_type)) for field in BEFORE.fields] == [
        ("milestone_id", True, "string"),
        ("seats", False, "int"),
        ("price", False, "double"),
        ("tags", False, "list<string>"),
        ("is_open", True, "boolean"),
    ]
    assert BEFORE.identifier_field_names() == {"milestone_id"}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.field("seats", INTEGER), {}),
        (pa.field("tags", pa.list_(pa.field("l", TEXT))), {}),
        (pa.field("seats", BIGINT), {"widened": ["seats"]}),
        (pa.field("seats", DOUBLE), {"retyped": ["seats"], "added": ["seats"]}),
        (pa.field("price", BIGINT), {"retyped": ["price"], "added": ["price"]}),
        (pa.field("tags", TEXT), {"retyped": ["tags"], "added": ["tags"]}),
        (pa.field("tags", pa.list_(BIGINT)), {"retyped": ["tags"], "added": ["tags"]}),
        (pa.field("is_open", BOOLEAN), {"now_optional": ["is_open"]}),
        (pa.field("venue", TEXT), {"added": ["venue"]}),
    ],
    ids=lambda value: str(value) if isinstance(value, pa.Field) else "",
)
def test_changes_of_a_column(column: pa.Field, expected: dict[str, list[str]]) -> None:
    columns = {field.name: field for field in BEFORE.as_arrow()} | {column.name: column}
    # Arrow's large types, which pyiceberg makes, are not what is published.
    published = pa.schema(
        [
            ID,
            *(columns[name] for name in columns.keys() - {"milestone_id", "tags"}),
            columns["tags"] if column.name == "tags" else pa.field("tags", pa.list_(TEXT)),
        ]
    )
    changes = ColumnChanges.between(BEFORE, published)
    found = {
        name: [entry if isinstance(entry, str) else entry.name for entry in getattr(changes, name)] for name in NOTHING
    }
    assert found == NOTHING | expected
    assert bool(changes) is bool(expected)


def test_a_column_that_is_no_longer_published_is_dropped() -> None:
    changes = ColumnChanges.between(BEFORE, pa.schema([ID]))
    assert changes.dropped == ["seats", "price", "tags", "is_open"]
