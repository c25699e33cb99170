"""What differs between two runs, device by device. Pure."""

from dataclasses import dataclass

import polars as pl

from simtandem.domain.ownership import beside_states

COMPARED = ("desired", "after", "verdict")
"""What of a device is compared: what was asked for, where it was seen after the run, and the verdict."""

_DEVICE = ["sim_id", "iccid", "endpoint_id"]


@dataclass(frozen=True, slots=True)
class Differences:
    """Two runs beside each other.

    `rows`: one line for each device that differs: `sim_id, iccid, endpoint_id, where` ("both", "first" or "second", the
    only run that has it), `differs` (the words of `COMPARED`, comma between), and each of these words with `_first` and
    `_second`, null where that run does not have the device. `counts` are of devices.
    """

    counts: dict[str, int]
    rows: pl.DataFrame


def differences(first: pl.DataFrame, second: pl.DataFrame) -> Differences:
    """Compare the results (`schemas.tables.Results`) of two runs. Rows that name no device can't be compared."""
    one, other = _by_device(first), _by_device(second)
    joined = one.join(other, on="device", how="full", suffix="_second", coalesce=True)
    told = joined.with_columns(
        *(pl.coalesce(name, f"{name}_second").alias(name) for name in _DEVICE),
        where=pl.when(pl.col("there").is_null())
        .then(pl.lit("second"))
        .when(pl.col("there_second").is_null())
        .then(pl.lit("first"))
        .otherwise(pl.lit("both")),
        **{f"{name}_differs": pl.col(name).ne_missing(pl.col(f"{name}_second")) for name in COMPARED},
    )
    both = told.filter(pl.col("where") == "both")
    differs = pl.any_horizontal(f"{name}_differs" for name in COMPARED)
    counts = {
        "in_first": one.height,
        "in_second": other.height,
        "in_both": both.height,
        "only_in_first": one.height - both.height,
        "only_in_second": other.height - both.height,
        "same": both.height - both.filter(differs).height,
        **{f"{name}_differs": int(both[f"{name}_differs"].sum()) for name in COMPARED},
    }
    return Differences(counts, _lines(told.filter(differs | (pl.col("where") != "both"))))


def _by_device(results: pl.DataFrame) -> pl.DataFrame:
    """Each device once, by its SIM or else by its endpoint: rows that repeat another have the same result."""
    device = pl.coalesce("sim_id", pl.format("endpoint {}", "endpoint_id"))
    return (
        beside_states(results)
        .with_columns(device=device, there=pl.lit(value=True))
        .filter(pl.col("device").is_not_null())
        .sort("row")
        .unique("device", keep="first", maintain_order=True)
        .select("device", *_DEVICE, *COMPARED, "there")
    )


def _lines(told: pl.DataFrame) -> pl.DataFrame:
    words = [pl.when(f"{name}_differs").then(pl.lit(name)) for name in COMPARED]
    length = pl.col("device").str.len_bytes()  # so that SIM 9 comes before SIM 10
    return told.sort(length, "device").select(
        *_DEVICE,
        "where",
        differs=pl.when(pl.col("where") == "both")
        .then(pl.concat_str(words, separator=", ", ignore_nulls=True))
        .otherwise(pl.format("only in {}", "where")),
        **{f"{name}_{run}": pl.col(column) for name in COMPARED for run, column in _columns(name)},
    )


def _columns(name: str) -> list[tuple[str, str]]:
    return [("first", name), ("second", f"{name}_second")]
