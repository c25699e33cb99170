"""Millions of short values out of the database in a second: column by column, each as one text.

A row of Python objects for each of a million devices takes many times as long as reading them from the disk.
"""

from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Connection, Select, Text, cast, func, literal_column, select

_END = "\n"
_END_LITERAL: ColumnElement[str] = literal_column("'\n'")
_EMPTY: ColumnElement[str] = literal_column("''")
"""As literals: a parameter is looked at again for each row, which takes as long as all the rest."""


def read_columns(connection: Connection, query: Select[Any], schema: pl.Schema) -> pl.DataFrame:
    """What a query selects: texts without line breaks, and integers. An empty text counts as null.

    Raises `ValueError` where a text has a line break after all.
    """
    joined = func.string_agg if connection.dialect.name == "postgresql" else func.group_concat
    rows = query.subquery()
    texts = [joined(_text(column), _END_LITERAL) for column in rows.columns]
    count, *found = connection.execute(select(func.count(), *texts)).one()
    if not count:
        return pl.DataFrame(schema=schema)
    columns = [_column(name, text, kind) for (name, kind), text in zip(schema.items(), found, strict=True)]
    if any(column.len() != count for column in columns):
        raise ValueError("a line break where none can be")
    return pl.DataFrame(columns)


def _text(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column as text, with nothing done to it where nothing has to be: of a million values it shows."""
    text = column if isinstance(column.type, Text) else cast(column, Text)
    return text if getattr(column, "nullable", True) is False else func.coalesce(text, _EMPTY)


def _column(name: str, text: str, kind: pl.DataType) -> pl.Series:
    values = pl.Series(name, [text]).str.split(_END).explode()
    return values.to_frame().select(pl.when(pl.col(name) != "").then(name).cast(kind)).to_series()
