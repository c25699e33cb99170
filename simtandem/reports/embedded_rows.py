"""The rows as the page's table takes them: compact columns, as JSON that can't end the element it is in."""

import json

import polars as pl
from markupsafe import Markup

from simtandem.reports.spreadsheet_cells import sheet_column

LIMIT = 100_000
"""How many rows a page carries; beyond it, the browser would feel it. The CSV file has all."""

_PLAIN = ("row", "sim_id", "iccid", "endpoint_id")
_CODED = (
    "desired",
    "before",
    "after",
    "sim_outcome",
    "endpoint_outcome",
    "verdict",
    "split",
    "reason",
    "error",
    "attempts",
    "http_status",
)
# Inside a script element only these could end it or begin a comment; the last two end a line in older JavaScript.
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def embed(examined: pl.DataFrame, own: pl.DataFrame | None = None) -> Markup:
    """The first `LIMIT` rows of what `urgency.examine` made, most urgent first, as JSON for a script element.

    `plain` columns are lists; `coded` ones repeat themselves, so each is a list of words and, per row, the word's place
    in it. The first `attention` rows are those that need some. `own` are the operator's own columns of these rows.
    """
    table = examined.head(LIMIT)
    data = {
        "size": table.height,
        "attention": int(table["attention"].sum()),
        "plain": {name: sheet_column(table[name]).to_list() for name in _PLAIN},
        "coded": {name: _coded(table[name]) for name in _CODED},
    }
    if own is not None and own.width:
        data["own"] = [[name, *_coded(own[name].head(LIMIT))] for name in own.columns]
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))  # noqa: S704 - made safe in the line above


def _coded(column: pl.Series) -> list[list[str] | list[int]]:
    words = sheet_column(column.cast(pl.String)).fill_null("")
    vocabulary = words.unique(maintain_order=True)
    codes = words.replace_strict(vocabulary, range(len(vocabulary)), return_dtype=pl.Int64)
    return [vocabulary.to_list(), codes.to_list()]
