"""Single cells: what spreadsheets wrap around a value is taken off, and what is left becomes an id or a status."""

import polars as pl

from schemas.statuses import Target
from simtandem.domain.lifecycle import Lifecycle
from simtandem.intake.header import EFFECTIVE_AT, OWNERS
from simtandem.intake.vocabulary import Vocabulary

_BLANKS = (
    " \t\r\n\v\f\u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"  # spaces of many widths
    "\u200b\u200e\u200f\u2060\ufeff"  # of no width at all
)
_WHOLE_FLOAT = r"^([0-9]+)\.0$"
_GROUPED_ICCID = r"^[0-9][0-9\s\p{Pd}]*[fF]*$"


def parse_target(text: str, lifecycle: Lifecycle) -> Target | None:
    """The status an operator names, in any spelling a status column may use; None where the carrier has it not."""
    word: str | None = pl.select(tidied("status", pl.lit(text))).item()
    goal = lifecycle.wishes.get(word) if word else None
    return next((target for target in Target if target == goal), None)


def tidied(field: str, cell: pl.Expr) -> pl.Expr:
    """A cell's text as `schemas.device_csv.DeviceCsv` wants it; null where nothing is left.

    Takes off: blanks of any kind, the apostrophe and the `="..."` by which spreadsheets keep text as text, `.0` of a
    number exported as a float, groups and `F` padding of an ICCID. Anything else that is odd stays, to be refused.
    """
    bare = (
        cell.str.strip_chars(_BLANKS).str.replace(r'^="([^"]*)"$', "$1").str.replace("^'", "").str.strip_chars(_BLANKS)
    )
    if field == "iccid":
        text = pl.when(bare.str.contains(_GROUPED_ICCID)).then(bare.str.replace_all(r"[^0-9]", "")).otherwise(bare)
    else:
        text = bare.str.replace(_WHOLE_FLOAT, "$1")
    if field in OWNERS:
        text = text.str.to_lowercase()
    if field == "status":
        # A leading dash is a formula's, not a word's, and stays to be seen as that.
        text = text.str.to_lowercase().str.replace_all(r"([\p{L}\p{N}])[\s_\p{Pd}]+", "$1")
    return pl.when(text != "").then(text)


def meaning(field: str, text: pl.Expr, vocabulary: Vocabulary) -> pl.Expr:
    """What a text that passed every check stands for: an id without leading zeros, an ICCID, a `Target`."""
    if field == "iccid":
        return text if vocabulary.iccid_kept is None else text.str.slice(0, vocabulary.iccid_kept)
    if field == EFFECTIVE_AT:
        return text
    if field == "status":
        return text.replace_strict({word: str(target) for word, target in vocabulary.wishes.items()}, default=None)
    return text if field == "sim_id" and not vocabulary.numbers else text.str.strip_chars_start("0")
