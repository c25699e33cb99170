"""The operator's own columns: what a list has besides what simtandem reads. They are kept beside every row.

They never decide anything: they are no part of a plan's digest. In simtandem's files they come after its own columns,
so a name that one of those has is changed.
"""

import json
from collections.abc import Collection, Sequence

import polars as pl

MOST = 20
"""So many columns of a list are kept, the first ones; beyond that a list is an export of everything."""
LONGEST_NAME, LONGEST_CELL = 60, 200
FILE, FILE_ROW = "file", "file_row"
"""Where a row stands in the files that people gave, where those were several."""
_RUNS = "=+-@^*'\"\t\r\n "
_ROW = {"row": pl.Int64}
RESERVED = frozenset(
    {
        *("row", "sim_id", "iccid", "endpoint_id", "status", "desired", "effective_at", "run_id", "file", "file_row"),
        *("sim_before", "endpoint_before", "sim_after", "endpoint_after", "steps", "reason", "column", "value"),
        *("before", "after", "sim_outcome", "endpoint_outcome", "verdict", "attempts", "http_status", "error"),
        *("customer_org_id", "reseller_org_id", "issuer_org_id", "owners", "owners_before", "owners_after"),
        *("named_as", "wave"),
    }
)
"""Names of simtandem's own columns, in every file that own columns are in."""
RESERVED_BY_ACTIONS = frozenset({"action", "bic", "sim_status", "endpoint_status", "outcome"})
"""Further ones, in the files of a run of SIM actions."""


def none() -> pl.DataFrame:
    """No own columns."""
    return pl.DataFrame(schema=_ROW)


def names(own: pl.DataFrame) -> list[str]:
    """The columns' names, in the order of the list."""
    return [name for name in own.columns if name != "row"]


def usable_names(headers: Sequence[str], reserved: Collection[str] = ()) -> list[str]:
    """A name for each header that no other column of simtandem's files has, and that runs nowhere as a formula.

    `reserved` are names of these files beside `RESERVED`. A name that is taken, in any case of letters, gets `input_`
    in front, and a number behind where that is taken too.
    """
    taken, found = {*RESERVED, *reserved}, list[str]()
    for number, header in enumerate(headers, start=1):
        plain = " ".join("".join(sign if sign.isprintable() else " " for sign in header).split()).lstrip(_RUNS)
        wanted = plain[:LONGEST_NAME].rstrip() or f"column_{number}"
        free = [wanted, f"input_{wanted}", *(f"input_{wanted}_{again}" for again in range(2, MOST + 2))]
        name = next(each for each in free if each.casefold() not in taken)
        taken.add(name.casefold())
        found.append(name)
    return found


def encoded(own: pl.DataFrame) -> pl.DataFrame:
    """`row` and `cells`: a row's own columns as a JSON object; rows in which all are empty are left out."""
    kept = names(own)
    filled = own.filter(pl.any_horizontal(pl.col(kept).is_not_null())) if kept else none()
    cells = [json.dumps(cell, ensure_ascii=False) for cell in filled.select(kept).iter_rows(named=True)] if kept else []
    return filled.select("row").with_columns(pl.Series("cells", cells, dtype=pl.String))


def decoded(table: pl.DataFrame) -> pl.DataFrame:
    """What `encoded` was given. A text that is no such object any more leaves its row's cells empty."""
    rows = [_object(text) for text in table["cells"]]
    kept = list(dict.fromkeys(name for row in rows for name in row))[: MOST + 2]
    columns = {name: pl.Series(name, [row.get(name) for row in rows], dtype=pl.String) for name in kept}
    return table.select("row").with_columns(**columns)


def _object(text: str) -> dict[str, str | None]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    known = found.items() if isinstance(found, dict) else ()
    return {name: cell if isinstance(cell, str) else None for name, cell in known if name != "row"}


def place(file: str, row: object) -> str:
    """How a row of one of several files is named."""
    return f"{file} row {row}"


class Places:
    """Where the rows of a list are, for people: `row 3`, or `b.csv row 3` where the list is of several files."""

    def __init__(self, own: pl.DataFrame) -> None:
        known = own.select("row", FILE, FILE_ROW).sort("row") if {FILE, FILE_ROW} <= {*own.columns} else None
        self.known = known
        """`row`, `file` and `file_row`; None where the list is one file."""

    def __call__(self, row: int) -> str:
        """The place of this row."""
        if self.known is not None:
            at = self.known["row"].search_sorted(row)
            if at < self.known.height and self.known["row"][at] == row and self.known[FILE][at] is not None:
                return place(self.known[FILE][at], self.known[FILE_ROW][at])
        return f"row {row}"

    def named(self, rows: pl.DataFrame, column: str) -> pl.Series:
        """The places of the rows that a column of a table names."""
        if self.known is None:
            return rows.select(pl.format("row {}", column)).to_series()
        told = pl.format("{} row {}", FILE, FILE_ROW)
        places = self.known.select(told.alias("place"), pl.col("row").alias(column))
        found = rows.select(column).join(places, on=column, how="left", maintain_order="left")
        return found.select(pl.coalesce("place", pl.format("row {}", column))).to_series()


def beside(own: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """The own columns of these rows, in their order, without `row`."""
    wanted = pl.DataFrame({"row": rows.cast(pl.Int64)})
    return wanted.join(own, on="row", how="left", maintain_order="left").drop("row")
