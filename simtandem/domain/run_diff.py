"""What differs between two runs, device by device. Pure."""

from collections.abc import Mapping
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


def differences(one: pl.DataFrame, other: pl.DataFrame) -> Differences:
    """Compare the results of two runs, each `by_device`."""
    differs = {name: pl.col(name).ne_missing(pl.col(f"{name}_second")) for name in COMPARED}
    both = (
        one.lazy()
        .select("device", *COMPARED)
        .join(other.lazy().select("device", *COMPARED), "device", suffix="_second")
    )
    (compared,) = (
        both.select(pl.len().alias("both"), pl.any_horizontal(differs.values()).sum().alias("any"), *_sums(differs))
        .collect()
        .to_dicts()
    )
    counts = {
        "in_first": one.height,
        "in_second": other.height,
        "in_both": compared["both"],
        "only_in_first": one.height - compared["both"],
        "only_in_second": other.height - compared["both"],
        "same": compared["both"] - compared["any"],
        **{f"{name}_differs": compared[name] for name in COMPARED},
    }
    same = ["device", *COMPARED]
    odd = (side.join(against, same, "anti", nulls_equal=True) for side, against in ((one, other), (other, one)))
    return Differences(counts, _lines(*odd))


def _sums(differs: Mapping[str, pl.Expr]) -> list[pl.Expr]:
    return [expression.sum().alias(name) for name, expression in differs.items()]


def by_device(results: pl.DataFrame) -> pl.DataFrame:
    """The results of a run (`schemas.tables.Results`), as `differences` compares them.

    Each device is there once, by its SIM or else by its endpoint: rows that repeat another have the same result. Rows
    that name no device can't be compared.
    """
    device = pl.coalesce("sim_id", pl.format("endpoint {}", "endpoint_id"))
    return (
        beside_states(results)
        .with_columns(device=device, there=pl.lit(value=True))
        .filter(pl.col("device").is_not_null())
        .select("row", "device", *_DEVICE, *COMPARED, "there")
        .sort("row")
        .filter(pl.col("device").is_first_distinct())
        .drop("row")
    )


def _lines(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """The devices of either run that are not the same in the other."""
    joined = one.lazy().join(other.lazy(), on="device", how="full", suffix="_second", coalesce=True)
    told = joined.with_columns(
        *(pl.coalesce(name, f"{name}_second").alias(name) for name in _DEVICE),
        where=pl.when(pl.col("there").is_null())
        .then(pl.lit("second"))
        .when(pl.col("there_second").is_null())
        .then(pl.lit("first"))
        .otherwise(pl.lit("both")),
    )
    words = [pl.when(pl.col(name).ne_missing(pl.col(f"{name}_second"))).then(pl.lit(name)) for name in COMPARED]
    length = pl.col("device").str.len_bytes()  # so that SIM 9 comes before SIM 10
    return (
        told.sort(length, "device")
        .select(
            *_DEVICE,
            "where",
            differs=pl.when(pl.col("where") == "both")
            .then(pl.concat_str(words, separator=", ", ignore_nulls=True))
            .otherwise(pl.format("only in {}", "where")),
            **{f"{name}_{run}": pl.col(column) for name in COMPARED for run, column in _columns(name)},
        )
        .collect(engine="streaming")
    )


def _columns(name: str) -> list[tuple[str, str]]:
    return [("first", name), ("second", f"{name}_second")]
