"""The CSV files of a run: they open in a spreadsheet unharmed and load again as input.

UTF-8 with byte order mark, comma, CRLF. A spreadsheet turns an ICCID into 8.98E+18 and runs a cell that begins like a
formula; a leading apostrophe keeps both as the text they are, and the intake takes it off again.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import polars as pl

from schemas import own_columns
from schemas.organisations import OwnerField
from schemas.statuses import Action, Half
from simtandem.domain import ownership
from simtandem.host.atomic_file import replace_file
from simtandem.reports.spreadsheet_cells import RUNS, csv_text

PLAN = (
    "row",
    "sim_id",
    "iccid",
    "endpoint_id",
    "sim_before",
    "endpoint_before",
    "sim_after",
    "endpoint_after",
    "steps",
    "reason",
)
INVALID = ("row", "column", "value", "reason")
RESULTS = (
    "row",
    "sim_id",
    "iccid",
    "endpoint_id",
    "desired",
    "before",
    "after",
    "sim_outcome",
    "endpoint_outcome",
    "verdict",
    "reason",
    "attempts",
    "http_status",
    "error",
)
OWNERS = ("owners_before", "owners_after")
RESULT_OWNERS = (*OwnerField, *OWNERS)
"""Columns that follow the others in the files of runs that change owners."""
NAMED = ("named_as",)
"""The column that follows where a list names SIMs by other ids than the carrier's own."""
WAVE = "wave"
"""The last column, in the files of runs that were sent in waves."""
RETRY = ("sim_id", "endpoint_id", "iccid", "status")
FINDINGS = (
    "finding",
    "sim_id",
    "iccid",
    "endpoint_id",
    "now",
    "expected",
    "charged",
    "since",
    "known_from",
    "repair",
    "remedy",
    "explanation",
)
CHANGES = (
    "half",
    "sim_id",
    "iccid",
    "endpoint_id",
    "before",
    "after",
    "since",
    "seen",
    "cause",
    "at",
    "user",
    "run_id",
    "row",
    "explanation",
)

_NUMBERS = frozenset({"row", "attempts", "http_status", WAVE})
_ROWS_AT_A_TIME = 50_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What a spreadsheet would show as another number: more than 11 digits, leading zeros, exponents.
_CHANGES = r"^\s*(?:[0-9]{12,}|0[0-9]+|[0-9]+(?:[.,][0-9]*)?[eE][+\-]?[0-9]+)\s*$"


def write_plan(plan: pl.DataFrame, path: Path, own: pl.DataFrame | None = None) -> None:
    """Write a `schemas.tables.Plan` as plan.csv: what will be sent for each row, in order, or why nothing will.

    Here and in the other files, `own` has the operator's own columns (`schemas.own_columns`), which come last.
    """
    write_columns(
        plan,
        path,
        PLAN + (OWNERS if plan["owners_after"].count() else ()) + _named(plan),
        {"steps": _steps(), "reason": _plan_reason(plan, own_columns.none() if own is None else own)},
        own,
    )


def write_invalid(invalid: pl.DataFrame, path: Path, own: pl.DataFrame | None = None) -> None:
    """Write a `schemas.tables.Rejected` as invalid.csv: where to look in the input, and what is wrong there."""
    write_columns(invalid, path, INVALID, own=own)


def write_results(
    results: pl.DataFrame, path: Path, waves: pl.DataFrame | None = None, *, own: pl.DataFrame | None = None
) -> None:
    """Write a `schemas.tables.Results` as results.csv: what became of each input row.

    `waves` (columns `row`, `wave`) adds the wave of each row that was to change, of a run that had waves.
    """
    asked: dict[str, pl.Expr] = {field: ownership.part("owners", field) for field in OwnerField}
    columns = RESULTS + (RESULT_OWNERS if results["owners"].count() else ()) + _named(results)
    if waves is not None:
        results, columns = results.join(waves, on="row", how="left", maintain_order="left"), (*columns, WAVE)
    write_columns(results, path, columns, asked, own)


def _named(table: pl.DataFrame) -> tuple[str, ...]:
    return NAMED if table["named_as"].count() else ()


def write_retry(retry: pl.DataFrame, path: Path, own: pl.DataFrame | None = None) -> None:
    """Write rows as they ask for devices, those of `RETRY` and perhaps of owners, as an input file like retry.csv.

    With `own` they have `row`, too.
    """
    write_columns(retry, path, (*RETRY, *(name for name in OwnerField if name in retry.columns)), own=own)


def write_findings(findings: pl.DataFrame, path: Path) -> None:
    """Write a `schemas.tables.Findings` as findings.csv: every device an audit found something about."""
    yes_or_no = pl.when("charged").then(pl.lit("yes")).otherwise(pl.lit("no"))
    charged = pl.when(pl.col("charged").is_null()).then(pl.lit("unknown")).otherwise(yes_or_no)
    write_columns(findings, path, FINDINGS, {"charged": charged, "since": _stamp("since")})


def write_changes(explained: pl.DataFrame, path: Path) -> None:
    """Write a `schemas.tables.Explained` as changes.csv: what changed between two looks, and who did it."""
    write_columns(explained, path, CHANGES, {name: _stamp(name) for name in ("since", "seen", "at")})


def _stamp(name: str) -> pl.Expr:
    return pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S")


def write_frames(frames: Iterable[pl.DataFrame], schema: pl.Schema, path: Path) -> None:
    """Write any table, given in parts: text as safe as in the other files, numbers as they are, instants in UTC."""
    cells = {name: _typed(name, kind) for name, kind in schema.items()}
    texts = [name for name, kind in schema.items() if kind == pl.String]
    parts = (_safe(part, cells, texts) for frame in frames for part in frame.iter_slices(_ROWS_AT_A_TIME))
    replace_file(path, itertools.chain([_header(cells)], map(_csv, parts)))


def _typed(name: str, kind: pl.DataType) -> pl.Expr:
    if isinstance(kind, pl.Datetime):
        return pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S%.3f")
    return pl.col(name)


def write_columns(
    table: pl.DataFrame,
    path: Path,
    columns: tuple[str, ...],
    made: dict[str, pl.Expr] | None = None,
    own: pl.DataFrame | None = None,
) -> None:
    """Write some columns of a table, in this order; `made` has those that are not in it as they are shown."""
    cells = {name: (made or {}).get(name, pl.col(name)) for name in columns}
    replace_file(path, _lines(table, cells, own))


def _lines(table: pl.DataFrame, cells: dict[str, pl.Expr], own: pl.DataFrame | None) -> Iterator[bytes]:
    """The file, some rows at a time, so that the size of the fleet does not matter."""
    beside = own if own is not None and own.width > 1 else None
    kept = () if beside is None else own_columns.beside(beside, table["row"].clear()).columns
    yield _header((*cells, *kept))
    for part in table.iter_slices(_ROWS_AT_A_TIME):
        written = _safe(part, cells, [name for name in cells if name not in _NUMBERS])
        if beside is not None:
            theirs = own_columns.beside(beside, part["row"])
            written = written.hstack(_safe(theirs, {name: pl.col(name) for name in kept}, kept))
        yield _csv(written)


def _header(names: Iterable[str]) -> bytes:
    line = pl.DataFrame(schema=dict.fromkeys(names, pl.String)).write_csv(line_terminator="\r\n")
    return _BYTE_ORDER_MARK + line.encode()


def _csv(part: pl.DataFrame) -> bytes:
    return part.write_csv(include_header=False, line_terminator="\r\n").encode()


def _safe(table: pl.DataFrame, cells: Mapping[str, pl.Expr], texts: Collection[str]) -> pl.DataFrame:
    """The cells as they are in the file. Texts are looked through once, then protected: polars would look each time."""
    seen = table.select(
        (csv_text(value.cast(pl.String)) if name in texts else value).alias(name) for name, value in cells.items()
    )
    return seen.with_columns(_protected(name) for name in texts)


def _protected(name: str) -> pl.Expr:
    """Nothing for nothing, an apostrophe before what would not stay as it is."""
    text = pl.col(name)
    # One more before an apostrophe that was there: taking one off then always gives back what was put in.
    unsafe = text.str.contains(RUNS) | text.str.contains(_CHANGES) | text.str.starts_with("'")
    return (
        pl.when(text == "")
        .then(None)
        .when(pl.lit(name == "iccid") | unsafe)
        .then(pl.concat_str(pl.lit("'"), text))
        .otherwise(text)
        .alias(name)
    )


def _steps() -> pl.Expr:
    """The calls of a row in the order they are sent, as in "endpoint Enabled, then SIM Activated"."""
    owners = ownership.changed("owners_before", "owners_after")
    status = pl.when(owners.is_null() | (pl.col("sim_after") != pl.col("sim_before"))).then("sim_after")
    whole = pl.concat_str(status, owners, separator=" with ", ignore_nulls=True)
    sim = pl.when("sim_step").then(pl.format("SIM {}", whole))
    endpoint = pl.when("endpoint_step").then(pl.format("endpoint {}", "endpoint_after"))
    sim_first = pl.concat_str(sim, endpoint, separator=", then ", ignore_nulls=True)
    endpoint_first = pl.concat_str(endpoint, sim, separator=", then ", ignore_nulls=True)
    ordered = pl.when(pl.col("first") == Half.SIM).then(sim_first).otherwise(endpoint_first)
    return pl.when(pl.col("action") == Action.CHANGE).then(ordered)


def _plan_reason(plan: pl.DataFrame, own: pl.DataFrame) -> pl.Expr:
    repeat = pl.format("same device and status as {}", own_columns.Places(own).named(plan, "same_as"))
    return pl.when(pl.col("action") == Action.REPEAT).then(repeat).otherwise("reason")
