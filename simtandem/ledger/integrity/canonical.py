"""One way to write a fact down, so that its hash is the same on every database, today and in ten years.

A fact is a row of one of the ledger's tables, as the database keeps it. Its canonical form is JSON in UTF-8: members
sorted by name, no blanks, nothing escaped but quotes, backslashes and control characters, true and false as 1 and 0. A
null is left out, so that a nullable column which a later revision adds leaves the hashes of older facts as they were.
"""

import json
from collections.abc import Mapping
from hashlib import sha256

import polars as pl

DIGEST_BYTES = 32

_ESCAPED = r'["\\\x00-\x1f]'


def canonical(row: Mapping[str, object]) -> str:
    """A row in its canonical form."""
    return _ENCODER.encode({name: value for name, value in row.items() if value is not None})


def digest(text: str) -> bytes:
    """The SHA-256 of a canonical form."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def canonical_rows(frame: pl.DataFrame) -> list[str]:
    """`canonical` for every row of a table of texts, integers and truths, many times faster."""
    members = [_member(frame[name]) for name in sorted(frame.columns)]
    joined = pl.concat_str(members, separator=",", ignore_nulls=True)
    return frame.select(pl.concat_str(pl.lit("{"), joined, pl.lit("}"))).to_series().to_list()


def _member(column: pl.Series) -> pl.Expr:
    """`"name":value` of every row, null where the value is."""
    if column.dtype == pl.String:
        value = pl.concat_str(pl.lit('"'), pl.lit(_escaped(column)), pl.lit('"'))
    elif column.dtype == pl.Boolean:
        value = pl.col(column.name).cast(pl.Int8).cast(pl.String)
    elif column.dtype.is_integer() or column.dtype == pl.Null:
        value = pl.col(column.name).cast(pl.String)
    else:
        raise TypeError(f"the ledger keeps no {column.dtype} in a table: {column.name}")
    return pl.concat_str(pl.lit(f"{_ENCODER.encode(column.name)}:"), value)


def _escaped(column: pl.Series) -> pl.Series:
    if not column.str.contains(_ESCAPED).any():
        return column
    return pl.Series([None if text is None else _ENCODER.encode(text)[1:-1] for text in column], dtype=pl.String)


def _foreign(value: object) -> object:
    """What a tampered database may hold and JSON doesn't know."""
    return {"bytes": value.hex()} if isinstance(value, bytes) else repr(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_foreign)
