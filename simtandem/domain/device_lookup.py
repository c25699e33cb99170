"""Find the device an input row means: by SIM id, endpoint id or ICCID, all of them leading to the same pair. Pure.

An inventory can name a SIM or an endpoint more than once: pages shift while they are read, and a half may be listed
once alone and once in its pair. Entries that agree are one; entries that disagree can't be trusted, and rows that lead
to them are refused. A null id leads nowhere and never matches another null.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from schemas import own_columns
from schemas.device_csv import is_rounded
from schemas.own_columns import Places

_ONE_FILE = Places(own_columns.none())
_NAMED_ROWS = 5  # how many of the rows that contradict each other a sentence names


@dataclass(frozen=True, slots=True)
class Index:
    """An inventory, ready to be joined on one id each; every key stands once.

    `sims`: sim_id, iccid, sim_status, endpoint_id. `endpoints`: endpoint_id, endpoint_status, sim_id. Both have
    `disagrees`, true where the inventory's entries contradict each other. `iccids`: iccid, sim_id, null where several
    SIMs have it.
    """

    sims: pl.DataFrame
    endpoints: pl.DataFrame
    iccids: pl.DataFrame


def index(inventory: pl.DataFrame) -> Index:
    """Index a table as in `schemas.tables.Inventory`, the same one for any order of its rows."""
    sims = _one_each(inventory, "sim_id", ["iccid", "sim_status", "endpoint_id"])
    endpoints = _one_each(inventory, "endpoint_id", ["endpoint_status", "sim_id"])
    iccids = _one_each(sims, "iccid", ["sim_id"])
    return Index(
        sims=sims,
        endpoints=endpoints,
        iccids=iccids.select("iccid", pl.when(~pl.col("disagrees")).then("sim_id").alias("sim_id")),
    )


def _one_each(table: pl.DataFrame, key: str, others: list[str]) -> pl.DataFrame:
    known = table.select(key, *others).filter(pl.col(key).is_not_null())
    twice = known[key].is_duplicated()
    if not twice.any():
        return known.with_columns(disagrees=pl.lit(value=False))
    # Grouping a million keys is slow and few stand twice: only those are grouped.
    merged = (
        known.filter(twice)
        .group_by(key)
        .agg(
            *[pl.col(other).min() for other in others],
            disagrees=pl.any_horizontal(pl.col(other).drop_nulls().n_unique() > 1 for other in others),
        )
    )
    return pl.concat([known.filter(~twice).with_columns(disagrees=pl.lit(value=False)), merged])


def resolve(
    devices: pl.DataFrame,
    inventory: pl.DataFrame,
    places: Places = _ONE_FILE,
    contested: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Each row of `schemas.tables.Devices` with its device, sorted by row.

    Columns: `row, desired, owners, sim_id, iccid, endpoint_id, sim_before, endpoint_before, reason, same_as`. `reason`
    is empty where the device was found; else it says what is wrong. Where the ids lead nowhere they stand as the row
    gave them, and the states are null. A half that does not exist has a null id and a null state. `same_as` is the
    first row that asks the same of the same device, null for that row itself. `places` say where rows are. `contested`
    are rows that are not used, because others contradict them: no row is used either that they contradict.
    """
    unused: list[int] = [] if contested is None else contested["row"].to_list()
    asked = devices if contested is None else pl.concat([devices, contested], how="diagonal_relaxed")
    found = _look_up(asked, index(inventory))
    faults = _faults()
    wrong = pl.any_horizontal(fault.fill_null(value=False) for fault, _ in faults)
    device = {
        "sim_id": "sim",
        "iccid": pl.coalesce("sim_iccid", "iccid"),
        "endpoint_id": "endpoint",
        "sim_before": "sim_before",
        "endpoint_before": "endpoint_before",
    }
    good = found.filter(~wrong).select("row", "desired", "owners", **device, reason=pl.lit(""))
    bad = found.filter(wrong).select(
        "row",
        "desired",
        "owners",
        "sim_id",
        "iccid",
        "endpoint_id",
        sim_before=pl.lit(None, pl.String),
        endpoint_before=pl.lit(None, pl.String),
        reason=pl.coalesce(pl.when(fault).then(sentence) for fault, sentence in faults),
    )
    marked = _mark_doubles(pl.concat([good, bad]), unused, places)
    return marked.filter(~pl.col("row").is_in(unused)).sort("row")


def as_listed(devices: pl.DataFrame, named: Mapping[str, str]) -> pl.DataFrame:
    """`schemas.tables.Devices` with the carrier's ids for SIMs in place of those in `named`.

    `named_as` is what stood there, without the mark of its kind, or what an earlier run's list had.
    """
    before = pl.col("named_as") if "named_as" in devices.columns else pl.lit(None, pl.String)
    if not named:
        return devices.with_columns(named_as=before)
    table = dict(named)
    own = {each: pl.col(each).replace(table) for each in ("sim_id", "iccid")}
    given = [pl.when(pl.col(each) != becomes).then(each) for each, becomes in own.items()]
    label = pl.coalesce(before, *given).str.replace("^[a-z_]+-", "")
    return devices.with_columns(**own, named_as=label)


def _look_up(devices: pl.DataFrame, index: Index) -> pl.DataFrame:
    """The devices with what every given id leads to. `sim` and `endpoint` are the pair; `*_listed` say what exists."""
    by_endpoint = index.endpoints.select("endpoint_id", sim_of_endpoint="sim_id", endpoint_listed=pl.lit(value=True))
    by_iccid = index.iccids.select("iccid", sim_of_iccid="sim_id", iccid_listed=pl.lit(value=True))
    sims = index.sims.select(
        sim="sim_id",
        sim_iccid="iccid",
        sim_before="sim_status",
        endpoint_of_sim="endpoint_id",
        sim_disagrees="disagrees",
        sim_listed=pl.lit(value=True),
    )
    endpoints = index.endpoints.select(
        endpoint="endpoint_id", endpoint_before="endpoint_status", endpoint_disagrees="disagrees"
    )
    return (
        devices.lazy()
        .join(by_iccid.lazy(), on="iccid", how="left")
        .join(by_endpoint.lazy(), on="endpoint_id", how="left")
        .with_columns(sim=pl.coalesce("sim_id", "sim_of_iccid", "sim_of_endpoint"))
        .join(sims.lazy(), on="sim", how="left")
        .with_columns(endpoint=pl.when(pl.col("sim").is_null()).then("endpoint_id").otherwise("endpoint_of_sim"))
        .join(endpoints.lazy(), on="endpoint", how="left")
        .collect()
    )


def _faults() -> list[tuple[pl.Expr, pl.Expr]]:
    """What can be wrong with what the ids of a row lead to, each with its sentence; the first that applies counts."""
    sim, endpoint, iccid = pl.col("sim"), pl.col("endpoint_id"), pl.col("iccid")
    return [
        (pl.col("sim_id").is_not_null() & pl.col("sim_listed").is_null(), _unlisted("SIM", "sim_id")),
        (iccid.is_not_null() & pl.col("iccid_listed").is_null() & is_rounded(iccid), _damaged()),
        (iccid.is_not_null() & pl.col("iccid_listed").is_null(), _unlisted("ICCID", "iccid")),
        (endpoint.is_not_null() & pl.col("endpoint_listed").is_null(), _unlisted("endpoint", "endpoint_id")),
        (
            iccid.is_not_null() & sim.is_null(),
            pl.format(
                "ICCID {} belongs to more than one SIM of the carrier's inventory; name the SIM by its id", iccid
            ),
        ),
        (pl.col("sim_disagrees"), _disagreement("SIM", "sim")),
        (pl.col("endpoint_disagrees"), _disagreement("endpoint", "endpoint")),
        (
            iccid.is_not_null() & iccid.ne_missing(pl.col("sim_iccid")),
            pl.format(
                "not a pair: SIM {} has ICCID {}, the row says {}", sim, pl.col("sim_iccid").fill_null("none"), iccid
            ),
        ),
        (
            sim.is_not_null() & endpoint.is_not_null() & pl.col("endpoint").is_null(),
            pl.format("not a pair: SIM {} has no endpoint, the row says {}", sim, endpoint),
        ),
        (
            sim.is_not_null() & endpoint.is_not_null() & pl.col("endpoint").ne(endpoint),
            pl.format("not a pair: SIM {} belongs to endpoint {}, the row says {}", sim, pl.col("endpoint"), endpoint),
        ),
        (sim.is_not_null() & pl.col("sim_before").is_null(), _without_status("SIM", "sim")),
        (
            pl.col("endpoint").is_not_null() & pl.col("endpoint_before").is_null(),
            _without_status("endpoint", "endpoint"),
        ),
    ]


def _unlisted(what: str, column: str) -> pl.Expr:
    return pl.format(f"{what} {{}} is not in the carrier's inventory", pl.col(column))


def _damaged() -> pl.Expr:
    return pl.format(
        "ICCID {} is not in the carrier's inventory; it ends in zeros after its 15th digit: probably a spreadsheet lost"
        " digits. Take it out of a row that has another id, or export the column as text",
        "iccid",
    )


def _disagreement(what: str, column: str) -> pl.Expr:
    return pl.format(
        f"the carrier's inventory names {what} {{}} more than once and the entries disagree; run again to read it anew",
        pl.col(column),
    )


def _without_status(what: str, column: str) -> pl.Expr:
    return pl.format(f"the carrier's inventory shows no known status for {what} {{}}", pl.col(column))


def _mark_doubles(resolved: pl.DataFrame, unused: list[int], places: Places) -> pl.DataFrame:
    """Refuse rows that contradict each other about a device, and note in `same_as` which row a later one repeats."""
    device = pl.coalesce("sim_id", pl.format("endpoint {}", "endpoint_id"))
    wish = pl.concat_str(pl.col("desired").fill_null("no status"), "owners", separator=", ", ignore_nulls=True)
    found = resolved.filter(pl.col("reason") == "").select("row", wish=wish, device=device)
    doubles = (
        found.filter(pl.col("device").is_duplicated())
        .sort("row")
        .with_columns(
            kept=pl.col("row").filter(~pl.col("row").is_in(unused)).first().over("device"),
            agreed=(pl.col("wish").n_unique() == 1).over("device"),
        )
    )
    agreed = doubles.filter(pl.col("agreed") & (pl.col("row") != pl.col("kept"))).select("row", same_as="kept")
    contradicting = doubles.filter(~pl.col("agreed"))
    contradicting = contradicting.with_columns(places.named(contradicting, "row").alias("place"))
    sentences = contradicting.group_by("device", maintain_order=True).agg(contradiction=_contradiction())
    refused = contradicting.join(sentences, on="device").select("row", "contradiction")
    return (
        resolved.join(agreed, on="row", how="left")
        .join(refused, on="row", how="left")
        .with_columns(reason=pl.coalesce("contradiction", "reason"))
        .drop("contradiction")
    )


def _contradiction() -> pl.Expr:
    """Over the rows of one device: which of them ask for what."""
    named = pl.format("{} asks for {}", "place", "wish").head(_NAMED_ROWS).str.join(", ")
    more = pl.len().cast(pl.Int64) - _NAMED_ROWS
    tail = pl.when(more > 0).then(pl.format(" and {} more", more)).otherwise(pl.lit(""))
    return pl.format("rows contradict each other about one device: {}{}; keep one of them", named.first(), tail.first())
