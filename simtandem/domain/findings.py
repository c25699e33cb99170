"""What a whole fleet gives reason to look at: split pairs, tests, drift; with dates, costs and repairs. Pure.

What is wrong with a single device is in `simtandem.domain.audit_rules`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl

from schemas.sim_actions import SimAction
from schemas.statuses import Finding, Half
from schemas.tables import PAIR, Findings
from simtandem.domain.audit_rules import State, judge
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.sim_actions import rule_of
from simtandem.domain.split_pairs import NO_ENDPOINT, NO_SIM

_COLUMNS = list(Findings.to_schema().columns)
_STATE = ["has_sim", "sim_status", "has_endpoint", "endpoint_status", "desired", "expected_sim", "expected_endpoint"]
_DEVICE = ["finding", "sim_id", "endpoint_id"]
_MOMENT = pl.Datetime("ms", "UTC")
_ORDER = {finding.value: place for place, finding in enumerate(Finding)}


@dataclass(frozen=True, slots=True)
class Cost:
    """What findings cost in a month, as an estimate. `sims` are charged for nothing, each counted once."""

    sims: int
    per_month: Decimal
    currency: str
    by_finding: Mapping[Finding, Decimal]
    basis: str


def findings_of(inventory: pl.DataFrame, managed: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """The findings (`schemas.tables.Findings`) of a fleet; `managed` is a table of that name. Not dated, not explained.

    The rules are asked once for each state that occurs: a few hundred at most, however large the fleet.
    """
    expected = managed.select("sim_id", "desired", expected_sim="sim_status", expected_endpoint="endpoint_status")
    devices = inventory.join(expected, on="sim_id", how="left").with_columns(
        has_sim=pl.col("sim_id").is_not_null(), has_endpoint=pl.col("endpoint_id").is_not_null()
    )
    judged = _judged(devices.select(_STATE).unique(), lifecycle)
    found = devices.join(judged, on=_STATE, nulls_equal=True).with_columns(
        now=_pair(lifecycle),
        expected=pl.when(pl.col("finding") == Finding.DRIFTED).then(_expected()).otherwise(pl.lit("")),
        since=pl.lit(None, _MOMENT),
        known_from=pl.lit(""),
        explanation=pl.lit(""),
    )
    return _sorted(found.select(_COLUMNS).unique(_DEVICE, keep="first", maintain_order=True))


def without_status(inventory: pl.DataFrame) -> int:
    """How many devices have a half whose status is none that is known: nothing can be found about that half."""
    unread = [pl.col(f"{half}_id").is_not_null() & pl.col(f"{half}_status").is_null() for half in Half]
    return inventory.filter(pl.any_horizontal(unread)).height


def finding_counts(findings: pl.DataFrame) -> dict[str, int]:
    """How many devices each kind of finding has; every kind is a key."""
    found = dict(findings.group_by("finding").len().iter_rows())
    return {finding.value: int(found.get(finding.value, 0)) for finding in Finding}


def device_count(findings: pl.DataFrame) -> int:
    """How many devices have findings: one that has two is one device."""
    return findings.select("sim_id", "endpoint_id").n_unique() if findings.height else 0


def trend(now: Mapping[str, int], before: Mapping[str, int] | None) -> dict[str, int] | None:
    """How much each count has grown since the audit before; None where there was none."""
    return None if before is None else {name: count - int(before.get(name, 0)) for name, count in now.items()}


def repairs(findings: pl.DataFrame) -> dict[Finding, pl.DataFrame]:
    """For each kind that a status can repair, an input file's rows: `sim_id, endpoint_id, iccid, status`."""
    rows = findings.filter(pl.col("repair").is_not_null())
    return {
        finding: some.select("sim_id", "endpoint_id", "iccid", status="repair")
        for finding in Finding
        if (some := rows.filter(pl.col("finding") == finding)).height
    }


def to_assign(findings: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """The endpoints without a SIM as a list of SIM actions whose SIMs are to be filled in; no rows without that action.

    Columns `action, sim_id, iccid, endpoint_id`; as it is, no row of it is valid, so that none is sent by mistake.
    """
    rows = findings.filter(pl.col("finding") == Finding.ENDPOINT_WITHOUT_SIM)
    if rule_of(lifecycle.actions, SimAction.ASSIGN) is None:
        rows = rows.clear()
    return rows.select("sim_id", "iccid", "endpoint_id", action=pl.lit(SimAction.ASSIGN.value))


def wasted_cost(findings: pl.DataFrame, rate: Decimal | None, currency: str) -> Cost | None:
    """What the findings cost a month at `rate` for each SIM; None without a rate."""
    if rate is None:
        return None
    charged = findings.filter("charged")
    sims = charged["sim_id"].n_unique()
    each = f"{rate} {currency}".strip()
    return Cost(
        sims=sims,
        per_month=sims * rate,
        currency=currency,
        by_finding={
            finding: charged.filter(pl.col("finding") == finding)["sim_id"].n_unique() * rate for finding in Finding
        },
        basis=f"an estimate: {sims:,} SIMs that are charged for nothing, each counted once, at {each} a month "
        "(SIMTANDEM_MONTHLY_RATE). A SIM that is in a charged status at any time in a calendar month (UTC) is charged "
        "for that month; what traffic costs is not part of it.",
    )


def dated_findings(
    findings: pl.DataFrame,
    lifecycle: Lifecycle,
    managed: pl.DataFrame,
    tests: pl.DataFrame,
    explained: pl.DataFrame,
    earlier: pl.DataFrame,
    listed_at: datetime,
) -> pl.DataFrame:
    """The findings with since when they are so, and with what explains them.

    `tests` are the SIMs' moves to a status that ends automatically, by the carrier's events (`sim_id, at`), `explained`
    is a table of that name, `earlier` the findings of the audit before.
    """
    put = managed.select("sim_id", put_at="at", put_to="sim_status")
    begun = tests.group_by("sim_id").agg(begun_at=pl.col("at").max())
    before = earlier.select(*_DEVICE, was_since="since", was_from="known_from")
    told = findings.drop("since", "known_from", "explanation")
    told = told.join(put, on="sim_id", how="left").join(begun, on="sim_id", how="left")
    told = told.join(before, on=_DEVICE, how="left", nulls_equal=True)
    for half in (*Half, PAIR):
        ident = "sim_id" if half == PAIR else f"{half}_id"
        some = explained.filter(pl.col("half") == half)
        some = some.select(pl.col("ident").alias(ident), **{f"{half}_at": "at", f"{half}_why": "explanation"})
        told = told.join(some, on=ident, how="left")
    return _sorted(
        told.with_columns(_since(listed_at, lifecycle)).with_columns(_explanation(listed_at)).select(_COLUMNS)
    )


def _since(listed_at: datetime, lifecycle: Lifecycle) -> pl.Expr:
    """`since` and `known_from`, from the best source there is: the ledger, an event, the audits so far."""
    ending = [one.name for one in lifecycle.sims if one.becomes]
    test, drift = pl.col("finding") == Finding.FACTORY_TEST, pl.col("finding") == Finding.DRIFTED
    changed = pl.when(test).then("begun_at").when(drift).then(pl.max_horizontal("sim_at", "endpoint_at", "pair_at"))
    still = ~drift | (pl.col("was_since") >= pl.col("put_at"))  # else it was put right and left its state again
    sources = [
        (pl.when(test & pl.col("put_to").is_in(ending)).then("put_at"), pl.lit("the ledger")),
        (changed, pl.lit("an event")),
        (pl.when(still).then("was_since"), pl.col("was_from")),  # an event is gone after 30 days
        (pl.lit(listed_at).cast(_MOMENT), pl.lit("an audit")),
    ]
    known = [pl.when(at.is_not_null()).then(pl.struct(since=at.cast(_MOMENT), known_from=name)) for at, name in sources]
    return pl.coalesce(known).struct.unnest()


def unmanaged(inventory: pl.DataFrame, managed: pl.DataFrame) -> tuple[int, int]:
    """How many SIMs simtandem never managed, and how many it managed that are not listed any more."""
    sims = inventory.select("sim_id").drop_nulls().unique()
    return sims.join(managed, on="sim_id", how="anti").height, managed.join(sims, on="sim_id", how="anti").height


def _judged(states: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """What is wrong with devices in each of these states, one line for each finding."""
    judged = [
        (*values, *judgement)
        for values in states.iter_rows()
        for judgement in judge(_state(dict(zip(_STATE, values, strict=True))), lifecycle)
    ]
    schema = {name: states.schema[name] for name in _STATE}
    told = {"finding": pl.String(), "charged": pl.Boolean(), "repair": pl.String(), "remedy": pl.String()}
    return pl.DataFrame(judged, schema=pl.Schema({**schema, **told}), orient="row")


def _state(values: Mapping[str, Any]) -> State:
    return State(
        has_sim=values["has_sim"],
        sim=values["sim_status"],
        has_endpoint=values["has_endpoint"],
        endpoint=values["endpoint_status"],
        desired=values["desired"],
        expected_sim=values["expected_sim"],
        expected_endpoint=values["expected_endpoint"],
    )


def _pair(lifecycle: Lifecycle) -> pl.Expr:
    missing = {Half.SIM: NO_SIM, Half.ENDPOINT: NO_ENDPOINT}
    told = (
        pl.when(~pl.col(f"has_{half}"))
        .then(pl.lit(missing[half]))
        .otherwise(pl.col(f"{half}_status").fill_null("unknown"))
        for half in lifecycle.halves
    )
    return pl.concat_str(*told, separator="+")


def _expected() -> pl.Expr:
    endpoint = pl.coalesce(pl.format("+{}", "expected_endpoint"), pl.lit(""))
    return pl.concat_str(pl.col("expected_sim"), endpoint)


def _explanation(listed_at: datetime) -> pl.Expr:
    days = (pl.lit(listed_at).cast(_MOMENT) - pl.col("since")).dt.total_days()
    least = pl.when(pl.col("known_from") == "an audit").then(pl.lit("at least ")).otherwise(pl.lit(""))
    test = pl.format("in {} for {}{} days", pl.col("now").str.split("+").list.first(), least, days)
    why = pl.concat_str("sim_why", "endpoint_why", "pair_why", separator="; ", ignore_nulls=True)
    return pl.when(pl.col("finding") == Finding.FACTORY_TEST).then(test).otherwise(why).alias("explanation")


def _sorted(findings: pl.DataFrame) -> pl.DataFrame:
    place = pl.col("finding").replace_strict(_ORDER, return_dtype=pl.Int8)
    return findings.sort(place, pl.col("sim_id"), pl.col("endpoint_id"), nulls_last=True)
