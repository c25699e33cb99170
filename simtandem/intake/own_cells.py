"""The operator's own columns of a list, as texts: everything named that simtandem does not read."""

from collections.abc import Collection, Sequence

import polars as pl

from schemas.own_columns import FILE, FILE_ROW, LONGEST_CELL, MOST, names, usable_names
from simtandem.intake.header import Source, listed, tidy
from simtandem.intake.workbook_text import Formula

_CUT = "{}…"  # a cell that is longer than what is kept
_CONTROLS = r"[\x00-\x1f\x7f]+"


class OwnCells:
    """Gathers the cells row by row. Of each column no more is kept than `schemas.own_columns` allows.

    `reserved` are names that the files of these rows have beside those of every file.
    """

    def __init__(self, header: Sequence[str], sources: Sequence[Source], reserved: Collection[str] = ()) -> None:
        read = {source.index for source in sources}
        named = [(index, name) for index, header_cell in enumerate(header) if (name := tidy(header_cell))]
        own = [(index, name) for index, name in named if index not in read]
        self._headers = [name for _, name in own[:MOST]]
        self._names = usable_names(self._headers, reserved)
        self._beyond = [name for _, name in own[MOST:]]
        self._columns: list[tuple[int, list[str]]] = [(index, []) for index, _ in own[:MOST]]

    def add(self, record: Sequence[str]) -> None:
        """The cells of the next row."""
        for index, texts in self._columns:
            cell = record[index] if index < len(record) else ""
            texts.append((cell.value if isinstance(cell, Formula) else cell)[: LONGEST_CELL * 2])

    def table(self, rows: pl.Series) -> pl.DataFrame:
        """`row` and the columns that have anything in them, by names that are free in simtandem's files."""
        cells = [
            pl.Series(name, texts, dtype=pl.String) for name, (_, texts) in zip(self._names, self._columns, strict=True)
        ]
        table = pl.DataFrame([rows.alias("row"), *cells]).with_columns(_plain(pl.col(name)) for name in self._names)
        return table.select("row", *(name for name in self._names if table[name].count()))

    def notes(self) -> list[str]:
        """Which columns are kept, under another name perhaps, and which are not."""
        notes = [f"Own columns, kept in plan, results and report: {listed(self._headers)}."] if self._headers else []
        pairs = zip(self._headers, self._names, strict=True)
        changed = [f"{listed([header])} is {name}" for header, name in pairs if header != name]
        if changed:
            notes.append(f"Own columns with another name there: {', '.join(changed)}.")
        if self._beyond:
            notes.append(f"Own columns beyond the first {MOST}, not kept: {listed(self._beyond)}.")
        return notes


def together(tables: Sequence[tuple[str, int, pl.DataFrame]]) -> tuple[pl.DataFrame, list[str]]:
    """The own columns of several files: of each its name, the number of the last row before it, and its table.

    Every row says where it is. Columns of one name, in any case, are one; a sentence says which are not kept.
    """
    spelled: dict[str, str] = {}
    parts = []
    for file, before, own in tables:
        known = {name: spelled.setdefault(name.casefold(), name) for name in names(own)}
        place = {FILE: pl.lit(file), FILE_ROW: (pl.col("row") - before).cast(pl.String)}
        parts.append(own.rename(known).with_columns(**place))
    kept = list(spelled.values())
    notes = [f"Own columns beyond the first {MOST}, not kept: {listed(kept[MOST:])}."] if kept[MOST:] else []
    return pl.concat(parts, how="diagonal").select("row", FILE, FILE_ROW, *kept[:MOST]), notes


def _plain(cell: pl.Expr) -> pl.Expr:
    """A cell in one line without what spreadsheets put around text, cut short; null where nothing is left."""
    text = cell.str.replace_all(_CONTROLS, " ").str.strip_chars(" \u00a0")
    text = text.str.replace(r'^="([^"]*)"$', "$1").str.replace("^'", "")
    long = text.str.len_chars() > LONGEST_CELL
    text = pl.when(long).then(pl.format(_CUT, text.str.slice(0, LONGEST_CELL - 1))).otherwise(text)
    return pl.when(text != "").then(text)
