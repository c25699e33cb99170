"""After a wave: what a fresh look and the carrier's events say of its devices, and whether that is good enough."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from schemas.event_types import ALERTS, ATTACHES
from schemas.tables import Rejected, empty
from schemas.waves import WaveCheck
from simtandem import progress
from simtandem.carriers.protocol import Carrier
from simtandem.domain import attachment
from simtandem.domain.verdicts import results_of
from simtandem.domain.waves import Wave, WaveResult, result_of
from simtandem.errors import CarrierError
from simtandem.ledger.records import RunState
from simtandem.reports.wave_sections import sizes_of
from simtandem.runs.finish import read_settled
from simtandem.runs.pausing import Wait
from simtandem.runs.run import Run

_SHORTEST_S, _LONGEST_S = 1.0, 30.0
_JUDGED = ("devices", "verdicts", "failures", "limit")
_CLOCKS_APART = timedelta(seconds=60)
"""So far the carrier's clock may be behind this one."""


async def review(run: Run, carrier: Carrier, wave: Wave, began: datetime, wait: Wait) -> WaveResult:
    """Read a wave's devices afresh, judge them, and record that. A carrier that can't be read fails all of them.

    Raises `Interrupted` where the run is to stop.
    """

    async def sleep(pause_s: float) -> None:
        await wait(pause_s)

    after: pl.DataFrame | None
    try:
        with _looking(f"reading the devices of {wave} afresh"):
            after, owners = await read_settled(run, carrier, wave.rows, sleep=sleep)
    except CarrierError as error:
        progress.current().message(f"The devices of {wave} could not be read afresh: {error}")
        after, owners = run.folder.table("inventory.parquet").clear(), None
    outcomes = run.ledger.outcomes(run.run_id)
    results = results_of(wave.rows, empty(Rejected), outcomes, after, run.lifecycle, owners)
    result = result_of(wave, results, run.pacing.limit)
    run.ledger.record_state(run.run_id, RunState.WAVE_DONE, _told(result, began))
    progress.current().message(f"{str(result)[0].upper()}{str(result)[1:]}.")
    return result


def decided_before(run: Run, wave: Wave) -> str | None:
    """What a process that died had decided after a wave that it had sent: why the run stops, empty where it does not.

    None where the wave has to be reviewed: not everything that the run asks for between waves is recorded, or it is of
    other waves or limits.
    """
    states = run.ledger.states(run.run_id) if run.taken_over else []
    reviewed: Mapping[str, Any] | None = None
    watched: Mapping[str, Any] | None = None
    approved = False
    for each in states if sizes_of(states) == run.pacing.sizes else []:
        if each.detail.get("wave") != wave.number:
            continue
        if each.state is RunState.WAVE_DONE and "failures" in each.detail:
            reviewed, watched, approved = each.detail, None, False
        elif each.state is RunState.WAVE_DONE:
            watched = each.detail
        elif each.state is RunState.APPROVED:
            approved = True
    if reviewed is None:
        return None
    result = WaveResult(wave.number, wave.waves, *(reviewed[name] for name in _JUDGED))
    if not result.passed:
        return str(result)
    why = _objected(run, wave, watched["check"] if watched else None)
    unlike = result.limit != run.pacing.limit.of(wave.rows.height)
    return None if why is None or unlike or (not why and run.pacing.approval and not approved) else why


def _objected(run: Run, wave: Wave, told: Mapping[str, Any] | None) -> str | None:
    """What a recorded check has against the next wave; None where it is another one, or was broken off."""
    if run.pacing.check is WaveCheck.NONE:
        return ""
    devices = _watched(run, wave).height
    asked = {"check": run.pacing.check.value, "devices": devices, "needed": _needed(run, devices)}
    if told is None or {name: told[name] for name in asked} != asked:
        return None
    if devices and told["seen"] < told["needed"] and told["waited_s"] < run.pacing.wait_s:
        return None
    return _against(run, wave, told["seen"], told["needed"], devices, told["unread"])


def _told(result: WaveResult, began: datetime) -> dict[str, object]:
    return {
        "wave": result.number,
        "waves": result.waves,
        "devices": result.devices,
        "verdicts": result.verdicts,
        "failures": result.failures,
        "limit": result.limit,
        "began": began.isoformat(),
    }


async def objection(run: Run, carrier: Carrier, wave: Wave, began: datetime, wait: Wait) -> str:
    """What the carrier's events have against the next wave; empty where nothing. Records what they show.

    Watches for as long as was asked, or until it is plain. Events that can't be read are an objection, too.
    """
    pacing = run.pacing
    if pacing.check is WaveCheck.NONE:
        return ""
    devices = _watched(run, wave)
    step_s = min(_LONGEST_S, max(_SHORTEST_S, pacing.wait_s / 10))
    seen, needed, left_s, unread = 0, _needed(run, devices.height), float(pacing.wait_s), ""
    with _looking(f"watching the carrier's events for {wave}: {pacing.check.value}"):
        while devices.height:
            try:
                seen, unread = await _count(run, carrier, devices, began), ""
            except CarrierError as error:
                unread = str(error)
            if seen >= needed or left_s <= 0 or await wait(min(step_s, left_s)):
                break
            left_s -= step_s
    told = {"check": pacing.check.value, "devices": devices.height, "seen": seen, "needed": needed}
    waited_s = pacing.wait_s - max(0.0, left_s)
    detail = {"wave": wave.number, "waves": wave.waves, "check": {**told, "waited_s": waited_s, "unread": unread}}
    run.ledger.record_state(run.run_id, RunState.WAVE_DONE, detail)
    return _against(run, wave, seen, needed, devices.height, unread)


@contextmanager
def _looking(what: str) -> Iterator[None]:
    """In this block this is done. After it nothing is, until the next wave begins: someone may be waited for."""
    progress.current().begins(what)
    try:
        yield
    finally:
        progress.current().meter.begins("sent")


def _watched(run: Run, wave: Wave) -> pl.DataFrame:
    """The devices of a wave that the check is about: those that it activates, or all."""
    rows = wave.rows.select("sim_id", "iccid", "endpoint_id", "sim_after")
    if run.pacing.check is WaveCheck.NO_ALERTS:
        return rows
    return rows.filter(pl.col("sim_after").is_in(list(run.lifecycle.charged)))


def _needed(run: Run, devices: int) -> int:
    """So many have to attach, or so many alerts are too many."""
    if run.pacing.check is WaveCheck.ATTACHED:
        return math.ceil(run.pacing.attached_share * devices - 1e-9)
    return run.pacing.limit.of(devices) + 1


async def _count(run: Run, carrier: Carrier, devices: pl.DataFrame, began: datetime) -> int:
    attaching = run.pacing.check is WaveCheck.ATTACHED
    iccids = devices["iccid"].drop_nulls().to_list()
    events = await carrier.events(
        began - _CLOCKS_APART, run.ledger.clock() + _CLOCKS_APART, ATTACHES if attaching else ALERTS, iccids
    )
    return (attachment.attached if attaching else attachment.alerts)(events, devices)


def _against(run: Run, wave: Wave, seen: int, needed: int, devices: int, unread: str) -> str:
    if unread:
        return f"{wave}: the carrier's events could not be read ({unread})"
    within = f"within {run.pacing.wait_s:,} s"
    if run.pacing.check is WaveCheck.ATTACHED and seen < needed:
        return (
            f"{wave}: {seen:,} of {devices:,} activated devices attached to a network {within}, {needed:,} are needed"
        )
    if run.pacing.check is WaveCheck.NO_ALERTS and devices and seen >= needed:
        return f"{wave}: {seen:,} of {devices:,} devices have alerts {within} (limit {needed - 1:,})"
    return ""
