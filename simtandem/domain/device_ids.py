"""The kinds of ids a carrier names a SIM by, and how each is spelled. Pure.

An ICCID has 19 digits, or 20 with its check digit, and which of both a carrier matches on is its own matter: to cut the
20th digit blindly makes another number of it.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class IdKind:
    """One kind of id. `pattern` is what one looks like whole; `kept` how many characters the carrier matches on.

    `check_digit`: where it is one character longer than `kept`, that one is a Luhn digit over the others. `shape` says
    for people what one looks like. `marked`: such an id could be taken for one of another kind, so it stands in a
    column of its own name only, and is handed on with that name before it.
    """

    name: str
    pattern: str
    kept: int | None = None
    check_digit: bool = False
    shape: str = ""
    marked: bool = False

    @property
    def written(self) -> str:
        """The pattern of one as it is handed on."""
        return f"{self.name}-{self.pattern}" if self.marked else self.pattern

    def fits(self, text: pl.Expr) -> pl.Expr:
        """Whether a text can be an id of this kind."""
        return text.str.contains(f"^(?:{self.pattern})$")

    def normalised(self, text: pl.Expr) -> pl.Expr:
        """The id as this carrier spells it; null where the text is none."""
        kept = text if self.kept is None else text.str.slice(0, self.kept)
        return pl.when(self.fits(text)).then(kept)

    def from_own_column(self, text: pl.Expr) -> pl.Expr:
        """An id from a column of this kind's name, as it is handed on; what is no number stays, to be refused."""
        if not self.marked:
            return text
        digits = text.str.strip_prefix("+")
        return (
            pl.when(digits.str.contains(f"^{DIGITS}$"))
            .then(pl.concat_str(pl.lit(f"{self.name}-"), digits))
            .otherwise(text)
        )


def told_apart(ident: str, kinds: Iterable[IdKind]) -> tuple[str, str]:
    """The name of the first kind that an id, as it is handed on, is of, and the id without mark; no name: of none."""
    for kind in kinds:
        if re.fullmatch(kind.written, ident):
            return kind.name, ident.removeprefix(f"{kind.name}-") if kind.marked else ident
    return "", ident


def among(sims: Iterable[str], kinds: Iterable[IdKind]) -> Callable[[str], bool]:
    """Whether an id may be of one of these SIMs, as a carrier with these kinds of ids distinguishes SIMs.

    Where it matches on the first characters, only those count. Elsewhere an ICCID may come back with or without its
    20th digit, and two ICCIDs of 20 digits that differ are two SIMs.
    """
    kept = next((kind.kept for kind in kinds if kind.kept is not None), None)
    whole = {sim[:kept] for sim in sims}
    short = {sim[:_SHORT] for sim in whole if len(sim) == _SHORT + 1}

    def fits(ident: str) -> bool:
        other = ident[:kept]
        return other in whole or other in short or (len(other) == _SHORT + 1 and other[:_SHORT] in whole)

    return fits


_SHORT = 19
DIGITS = "[0-9]+"
