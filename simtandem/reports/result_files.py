"""The CSV files of a run: they open in a spreadsheet unharmed and load again as input.

UTF-8 with byte order mark, comma, CRLF. A spreadsheet turns an ICCID into 8.98E+18 and runs a cell that begins like a
formula; a leading apostrophe keeps both as the text they are, and the intake takes it off again.
"""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

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

_NUMBERS = frozenset({"row", "attempts", "http_status"})
_ROWS_AT_A_TIME = 50_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What a spreadsheet would show as another number: more than 11 digits, leading zeros, exponents.
_CHANGES = r"^\s*(?:[0-9]{12,}|0[0-9]+|[0-9]+(?:[.,][0-9]*)?[eE][+\-]?[0-9]+)\s*$"


def write_plan(plan: pl.DataFrame, path: Path) -> None:
    """Write a `schemas.tables.Plan` as plan.csv: what will be sent for each row, in order, or why nothing will."""
    _write(
        plan,
        path,
        PLAN + (OWNERS if plan["owners_after"].count() else ()),
        {"steps": _steps(), "reason": _plan_reason()},
    )


def write_invalid(invalid: pl.DataFrame, path: Path) -> None:
    """Write a `schemas.tables.Rejected` as invalid.csv: where to look in the input, and what is wrong there."""
    _write(invalid, path, INVALID)


def write_results(results: pl.DataFrame, path: Path) -> None:
    """Write a `schemas.tables.Results` as results.csv: what became of each input row."""
    asked: dict[str, pl.Expr] = {field: ownership.part("owners", field) for field in OwnerField}
    _write(results, path, RESULTS + (RESULT_OWNERS if results["owners"].count() else ()), asked)


def write_retry(retry: pl.DataFrame, path: Path) -> None:
    """Write rows as they ask for devices, those of `RETRY` and perhaps of owners, as an input file like retry.csv."""
    _write(retry, path, (*RETRY, *(name for name in OwnerField if name in retry.columns)))


def write_findings(findings: pl.DataFrame, path: Path) -> None:
    """Write a `schemas.tables.Findings` as findings.csv: every device an audit found something about."""
    charged = pl.when("charged").then(pl.lit("yes")).otherwise(pl.lit("no"))
    _write(findings, path, FINDINGS, {"charged": charged, "since": _stamp("since")})


def write_changes(explained: pl.DataFrame, path: Path) -> None:
    """Write a `schemas.tables.Explained` as changes.csv: what changed between two looks, and who did it."""
    _write(explained, path, CHANGES, {name: _stamp(name) for name in ("since", "seen", "at")})


def _stamp(name: str) -> pl.Expr:
    return pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S")


def write_frames(frames: Iterable[pl.DataFrame], schema: pl.Schema, path: Path) -> None:
    """Write any table, given in parts: text as safe as in the other files, numbers as they are, instants in UTC."""
    cells = [_typed_cell(name, kind) for name, kind in schema.items()]
    parts = (_csv(part.select(cells), header=False) for frame in frames for part in frame.iter_slices(_ROWS_AT_A_TIME))
    header = _BYTE_ORDER_MARK + _csv(pl.DataFrame(schema=schema), header=True)
    replace_file(path, itertools.chain([header], parts))


def _typed_cell(name: str, kind: pl.DataType) -> pl.Expr:
    if isinstance(kind, pl.Datetime):
        return pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S%.3f")
    return _cell(pl.col(name), name) if kind == pl.String else pl.col(name)


def _write(table: pl.DataFrame, path: Path, columns: tuple[str, ...], made: dict[str, pl.Expr] | None = None) -> None:
    cells = [_cell((made or {}).get(name, pl.col(name)), name) for name in columns]
    replace_file(path, _lines(table, cells))


def _lines(table: pl.DataFrame, cells: list[pl.Expr]) -> Iterator[bytes]:
    """The file, some rows at a time, so that the size of the fleet does not matter."""
    yield _BYTE_ORDER_MARK + _csv(table.clear().select(cells), header=True)
    for part in table.iter_slices(_ROWS_AT_A_TIME):
        yield _csv(part.select(cells), header=False)


def _csv(part: pl.DataFrame, *, header: bool) -> bytes:
    return part.write_csv(include_header=header, line_terminator="\r\n").encode()


def _cell(value: pl.Expr, name: str) -> pl.Expr:
    """The cell as it is in the file: nothing for nothing, an apostrophe before what would not stay as it is."""
    if name in _NUMBERS:
        return value.alias(name)
    text = csv_text(value.cast(pl.String))
    # One more before an apostrophe that was there: taking one off then always gives back what was put in.
    unsafe = text.str.contains(RUNS) | text.str.contains(_CHANGES) | text.str.starts_with("'")
    protected = pl.concat_str(pl.lit("'"), text)
    return (
        pl.when(text == "")
        .then(None)
        .when(pl.lit(name == "iccid") | unsafe)
        .then(protected)
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


def _plan_reason() -> pl.Expr:
    repeat = pl.format("same device and status as row {}", "same_as")
    return pl.when(pl.col("action") == Action.REPEAT).then(repeat).otherwise("reason")
