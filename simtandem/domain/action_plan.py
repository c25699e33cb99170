"""What SIM actions a run sends for the rows of a file: the difference between what is asked and what is listed. Pure.

A row that is already in target state is left alone. Where two rows lead to the same SIM or endpoint and ask for
different things, neither is sent: which one is meant is unknown. No action moves a SIM in one go: it is released first,
and assigned after that, so that a stop at any moment leaves a state that the next plan understands.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from schemas import own_columns
from schemas.accounts import DEFAULT
from schemas.own_columns import Places
from schemas.sim_actions import ActionPlan, SimAction
from schemas.statuses import Action, Finding
from schemas.tables import empty
from simtandem.domain.device_lookup import index
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.sim_actions import REGISTERED, Batch, missing, rule_of
from simtandem.domain.split_pairs import NO_ENDPOINT, split

Wish = tuple[str | None, ...]
"""What a row asks for, and of what."""

_SCHEMA = empty(ActionPlan).schema
_HASHED_ROWS = 50_000
_ONE_FILE = Places(own_columns.none())
_ON_SPLIT = {
    Finding.PAYING_BUT_OFF: "the SIM is {sim} and the endpoint {endpoint}: charged, and it can't work; "
    "apply a status to the pair next",
    Finding.ON_BUT_DEAD: "the SIM is {sim} and the endpoint {endpoint}: it appears active, and can't connect; "
    "apply a status to the pair next",
}


@dataclass(frozen=True, slots=True)
class Sim:
    """A SIM as listed. `disagrees`: the listing contradicts itself about it."""

    ident: str
    iccid: str | None
    status: str | None
    endpoint: str | None
    disagrees: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as listed."""

    ident: str
    status: str | None
    sim: str | None
    disagrees: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """A connectivity reset that an earlier run sent and that a plan must know of.

    `done` is whether it is known to have been carried out; else it was sent and had no answer.
    """

    run_id: str
    at: str
    done: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """An inventory (`schemas.tables.Inventory`) by its ids, and batches by their codes.

    `refused` says what the carrier would not show, and why.
    """

    sims: Mapping[str, Sim]
    endpoints: Mapping[str, Endpoint]
    iccids: Mapping[str, str | None]
    refused: Mapping[tuple[str, str], str] = field(default_factory=dict)
    batches: Mapping[str, Batch] = field(default_factory=dict)
    resets: Mapping[str, Reset] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        inventory: pl.DataFrame,
        refused: Mapping[tuple[str, str], str] | None = None,
        batches: Mapping[str, Batch] | None = None,
        resets: Mapping[str, Reset] | None = None,
    ) -> "Listed":
        """Index it."""
        found = index(inventory)
        sims = found.sims.select("sim_id", "iccid", "sim_status", "endpoint_id", "disagrees")
        endpoints = found.endpoints.select("endpoint_id", "endpoint_status", "sim_id", "disagrees")
        return cls(
            {row[0]: Sim(*row) for row in sims.iter_rows()},
            {row[0]: Endpoint(*row) for row in endpoints.iter_rows()},
            dict(found.iccids.select("iccid", "sim_id").iter_rows()),
            refused or {},
            batches or {},
            resets or {},
        )


@dataclass(frozen=True, slots=True)
class Planned:
    """One row of the plan: `schemas.sim_actions.ActionPlan`."""

    row: int
    action: str
    sim_id: str | None
    iccid: str | None
    endpoint_id: str | None
    bic: str | None = None
    status: str | None = None
    quantity: int | None = None
    sim_status: str | None = None
    endpoint_status: str | None = None
    before: str = ""
    after: str | None = None
    decision: str = Action.REFUSED
    reason: str = ""
    idle: bool = False
    same_as: int | None = None

    def refused(self, why: str) -> "Planned":
        """Nothing is sent for it."""
        return replace(self, decision=Action.REFUSED, reason=why, after=None, idle=False)

    def ended(self, decision: Action, after: str, reason: str = "", *, idle: bool = False) -> "Planned":
        """It is in order."""
        return replace(self, decision=decision, after=after, reason=reason, idle=idle)


def make_action_plan(
    wishes: pl.DataFrame, listed: Listed, lifecycle: Lifecycle, places: Places = _ONE_FILE
) -> pl.DataFrame:
    """The plan (`schemas.sim_actions.ActionPlan`) for a table of `ActionWishes`; `places` says where its rows are."""
    rows = _without_clashes([_planned(wish, listed, lifecycle) for wish in wishes.iter_rows(named=True)], places)
    table = pl.DataFrame([[getattr(each, name) for name in _SCHEMA] for each in rows], schema=_SCHEMA, orient="row")
    return ActionPlan.validate(table.sort("row"))


def digest(plan: pl.DataFrame, carrier: str, account: str = DEFAULT) -> str:
    """16 hex characters that stand for this plan of an account; the wording of a reason is no part of it."""
    whose = carrier if account == DEFAULT else f"{carrier} {account}"
    sha = hashlib.sha256(f"simtandem action plan 1 {whose}\n".encode())
    for part in plan.sort("row").drop("reason").iter_slices(_HASHED_ROWS):
        sha.update(part.write_ndjson().encode())
    return sha.hexdigest()[:16]


def place(endpoint: str | None) -> str:
    """Where a SIM is, in words."""
    return NO_ENDPOINT if endpoint is None else f"endpoint {endpoint}"


def _repeat(row: Planned, same_as: int, places: Places) -> Planned:
    why = f"same action and device as {places(same_as)}; sent once"
    return replace(row, decision=Action.REPEAT, reason=why, idle=False, same_as=same_as)


def _planned(wish: Mapping[str, Any], listed: Listed, lifecycle: Lifecycle) -> Planned:
    row = Planned(wish["row"], wish["action"], wish["sim_id"], wish["iccid"], wish["endpoint_id"])
    rule = rule_of(lifecycle.actions, row.action)
    if rule is None:
        return row.refused(missing(lifecycle.carrier, row.action))
    if row.action == SimAction.REGISTER_BATCH:
        status = wish["status"] or next(iter(rule.statuses.values()))
        return _register(replace(row, bic=wish["bic"], status=status), listed.batches, lifecycle)
    sim, endpoint, unknown = _found(row, listed)
    if unknown:
        return row.refused(unknown)
    row = _named(row, sim, endpoint)
    if row.action == SimAction.RESET_CONNECTIVITY:
        return _reset(row, sim, endpoint, listed, lifecycle)
    decide = _release if row.action == SimAction.RELEASE else _assign
    return decide(row, sim, endpoint, lifecycle)


def _named(row: Planned, sim: Sim | None, endpoint: Endpoint | None) -> Planned:
    """With what the listing says of the halves."""
    return replace(
        row,
        sim_id=sim.ident if sim else row.sim_id,
        iccid=(sim.iccid if sim else None) or row.iccid,
        endpoint_id=endpoint.ident if endpoint else row.endpoint_id,
        sim_status=sim.status if sim else None,
        endpoint_status=endpoint.status if endpoint else None,
        before=place(sim.endpoint) if sim else "",
    )


def _found(row: Planned, listed: Listed) -> tuple[Sim | None, Endpoint | None, str]:
    """The SIM and the endpoint that a row's ids lead to, and what is wrong where they lead nowhere."""
    sim_id = row.sim_id
    if row.iccid is not None:
        by_iccid = listed.iccids.get(row.iccid)
        if by_iccid is None:
            several = row.iccid in listed.iccids
            return None, None, "several SIMs have this ICCID" if several else "the carrier has no SIM with this ICCID"
        if sim_id not in (None, by_iccid):
            return None, None, f"its sim_id and its ICCID lead to different SIMs; the ICCID to SIM {by_iccid}"
        sim_id = by_iccid
    for kind, ident, known in (("SIM", sim_id, listed.sims), ("endpoint", row.endpoint_id, listed.endpoints)):
        if ident is not None and ident not in known:
            why = listed.refused.get((f"{kind.lower()}_id", ident))
            return None, None, why or f"the carrier has no {kind} {ident}"
    sim = listed.sims[sim_id] if sim_id else None
    endpoint = listed.endpoints[row.endpoint_id] if row.endpoint_id else None
    if sim is None and endpoint is not None and endpoint.sim:
        sim = listed.sims.get(endpoint.sim)
    if endpoint is None and sim is not None and sim.endpoint:
        endpoint = listed.endpoints.get(sim.endpoint)
    if (sim and sim.disagrees) or (endpoint and endpoint.disagrees):
        return None, None, "the carrier lists it twice, in different states; run again"
    return sim, endpoint, ""


def _assign(row: Planned, sim: Sim | None, endpoint: Endpoint | None, lifecycle: Lifecycle) -> Planned:
    assert sim is not None  # noqa: S101 - the intake sees to it
    assert endpoint is not None  # noqa: S101 - likewise
    if sim.endpoint == endpoint.ident:
        return row.ended(Action.UNCHANGED, place(endpoint.ident))
    if why := _illegal(row.action, sim, endpoint, lifecycle):
        return row.refused(why)
    if sim.endpoint is not None:
        return row.refused(f"the SIM is assigned to endpoint {sim.endpoint}; release it there first")
    if endpoint.sim is not None:
        return row.refused(f"the endpoint has SIM {endpoint.sim}; release that one first")
    found = split(lifecycle, sim.status, endpoint.status, alone=False)
    told = _ON_SPLIT[found].format(sim=sim.status, endpoint=endpoint.status) if found in _ON_SPLIT else ""
    return row.ended(Action.CHANGE, place(endpoint.ident), told)


def _release(row: Planned, sim: Sim | None, endpoint: Endpoint | None, lifecycle: Lifecycle) -> Planned:
    if sim is None or sim.endpoint is None:
        return row.ended(Action.UNCHANGED, NO_ENDPOINT)
    if endpoint is not None and endpoint.ident != sim.endpoint:
        return row.refused(f"the SIM is assigned to endpoint {sim.endpoint}, not to {endpoint.ident}")
    if why := _illegal(row.action, sim, endpoint, lifecycle):
        return row.refused(why)
    idle = sim.status in lifecycle.charged
    told = f"the SIM stays {sim.status}, which is charged, and has no endpoint then" if idle else ""
    return row.ended(Action.CHANGE, NO_ENDPOINT, told, idle=idle)


def _reset(row: Planned, sim: Sim | None, endpoint: Endpoint | None, listed: Listed, lifecycle: Lifecycle) -> Planned:
    if sim is None or endpoint is None:
        return row.refused("the endpoint has no SIM, or the SIM no endpoint, so there is nothing to reset")
    if sim.endpoint != endpoint.ident:
        return row.refused(f"the SIM has {place(sim.endpoint)}, not {place(endpoint.ident)}")
    if why := _illegal(row.action, sim, endpoint, lifecycle):
        return row.refused(why)
    earlier = listed.resets.get(endpoint.ident)
    if earlier is None:
        return row.ended(Action.CHANGE, "reset")
    told = f"run {earlier.run_id} sent a reset at {earlier.at} UTC"
    if earlier.done:
        return row.ended(Action.UNCHANGED, "reset", f"{told}; to reset it once more, use --again")
    return row.refused(f"{told}, and whether it was carried out is not known; to reset it once more, use --again")


def _register(row: Planned, batches: Mapping[str, Batch], lifecycle: Lifecycle) -> Planned:
    batch = batches.get(str(row.bic))
    if batch is None or batch.registered is None:
        return row.refused(batch.why if batch and batch.why else f"the carrier has no batch {row.bic}")
    row = replace(row, before=batch.state, quantity=batch.quantity)
    if batch.registered:
        return row.ended(Action.UNCHANGED, REGISTERED)
    charged = row.status in lifecycle.charged
    if charged and batch.quantity is None:
        return row.refused("the carrier does not say how many SIMs it has, so nobody knows how many would be charged")
    return row.ended(Action.CHANGE, REGISTERED, f"as {row.status}, which charges every SIM of it" if charged else "")


def _illegal(action: str, sim: Sim, endpoint: Endpoint | None, lifecycle: Lifecycle) -> str:
    """Why the carrier's rules forbid it for halves in these statuses."""
    rule = rule_of(lifecycle.actions, action)
    if rule is None:
        return missing(lifecycle.carrier, action)
    if sim.status is None:
        return "the SIM is in a status not known here, so nothing is sent"
    if endpoint is not None and endpoint.status is None:
        return "the endpoint is in a status not known here, so nothing is sent"
    beside = rule.endpoints.get(endpoint.status or "", "") if endpoint else ""
    return rule.sims.get(sim.status) or beside


def _without_clashes(rows: list[Planned], places: Places) -> Iterator[Planned]:
    """The rows, those that say the same of one device as repeats, those that contradict each other refused.

    A row that is refused anyway contradicts as well: else the next plan of the same file would be another one.
    """
    stances: dict[tuple[str, str], dict[Wish, int]] = {}
    first: dict[Wish, int] = {}
    for row in rows:
        first.setdefault(_wish(row), row.row)
        for key in _keys(row):
            stances.setdefault(key, {}).setdefault(_stance(row), row.row)
    for row in rows:
        told = (stances[key].items() for key in _keys(row))
        others = [other for some in told for stance, other in some if stance != _stance(row)]
        if row.decision == Action.REFUSED:
            yield row
        elif others:
            yield row.refused(f"{places(min(others))} asks for something else of the same SIM or endpoint")
        else:
            yield row if first[_wish(row)] == row.row else _repeat(row, first[_wish(row)], places)


def _keys(row: Planned) -> list[tuple[str, str]]:
    ids = {"sim": row.sim_id, "endpoint": row.endpoint_id, "bic": row.bic}
    return [(kind, ident) for kind, ident in ids.items() if ident]


def _stance(row: Planned) -> Wish:
    """What a row asks for, as far as another row can contradict it: releases never contradict each other."""
    return (row.action,) if row.action == SimAction.RELEASE else _wish(row)


def _wish(row: Planned) -> Wish:
    return (row.action, row.sim_id, row.endpoint_id, row.bic, row.status)
