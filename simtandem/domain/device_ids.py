"""The kinds of ids a carrier names a SIM by, and how each is spelled. Pure.

An ICCID has 19 digits, or 20 with its check digit, and which of both a carrier matches on is its own matter: to cut the
20th digit blindly makes another number of it.
"""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class IdKind:
    """One kind of id. `pattern` is what one looks like whole; `kept` how many characters the carrier matches on.

    `check_digit`: where it is one character longer than `kept`, that one is a Luhn digit over the others. `shape` says
    for people what one looks like.
    """

    name: str
    pattern: str
    kept: int | None = None
    check_digit: bool = False
    shape: str = ""

    def fits(self, text: pl.Expr) -> pl.Expr:
        """Whether a text can be an id of this kind."""
        return text.str.contains(f"^(?:{self.pattern})$")

    def normalised(self, text: pl.Expr) -> pl.Expr:
        """The id as this carrier spells it; null where the text is none."""
        kept = text if self.kept is None else text.str.slice(0, self.kept)
        return pl.when(self.fits(text)).then(kept)


DIGITS = "[0-9]+"
