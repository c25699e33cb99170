"""Text from outside in the cells of CSV files and workbooks, as expressions over columns. Pure.

As in `simtandem.text.escaping`: what is not seen becomes an escape, and secrets are taken out. In a CSV, nothing may
run as a formula: not at the beginning of a cell, and not behind a separator either, because a spreadsheet of another
language splits the same line elsewhere.
"""

import polars as pl

from simtandem.text.escaping import lines, visible
from simtandem.text.redaction import redacted

_UNSEEN = r"[\p{C}\p{Zl}\p{Zp}\x{a0}\x{1680}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]"
# Python 3.11 knows the signs of Unicode 14 and Polars knows newer ones: whether those are seen, Python decides.
_SUSPECT = rf"{_UNSEEN}|\P{{Age=14.0}}|eyJ|ZXlK"
# Beginnings after which a spreadsheet may run a cell (OWASP, "CSV Injection"); the last four are full-width = + - @.
RUNS = r"^[\s\"']*[=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]"
_RUNS_BEHIND = r"([;,|\t\r\n][\s\"']*)([=+\-@\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}])"


def csv_text(text: pl.Expr) -> pl.Expr:
    """Text in one line, in which no part behind a separator begins like a formula."""
    return _seen(text, one_line=True).str.replace_all(_RUNS_BEHIND, "${1}'${2}")


def sheet_text(text: pl.Expr) -> pl.Expr:
    """Text for a workbook's cell, which is typed as text: it never runs, and may have lines."""
    return _seen(text, one_line=False)


def sheet_column(column: pl.Series) -> pl.Series:
    """As `sheet_text`, of a column; what is no text stays."""
    return _made_visible(column, one_line=False) if column.dtype == pl.String else column


def _seen(text: pl.Expr, *, one_line: bool) -> pl.Expr:
    return text.map_batches(lambda column: _made_visible(column, one_line=one_line), return_dtype=pl.String)


def _made_visible(column: pl.Series, *, one_line: bool) -> pl.Series:
    """The few that need it, one by one: a million plain cells cost one look."""
    column = column.cast(pl.String)
    places = column.str.contains(_SUSPECT).fill_null(value=False).arg_true()
    if places.is_empty():
        return column
    texts, show = column.to_list(), visible if one_line else lines
    for place in places:
        texts[place] = show(redacted(texts[place]))
    return pl.Series(column.name, texts, dtype=pl.String)
