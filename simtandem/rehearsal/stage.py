"""The emulated carrier of a rehearsal: the listed devices in their present state with their ids, the carrier's limits.

Nothing of the operator's own login is in it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from pydantic import SecretStr

from schemas.organisations import OwnerField
from simtandem.carriers.aeris.from_settings import words_for_states
from simtandem.carriers.in_process import Application
from simtandem.emulator.aeradmin import server as aeradmin
from simtandem.emulator.aeradmin.account import Account
from simtandem.emulator.aeradmin.api import AerAdmin
from simtandem.emulator.aeradmin.behaviour import AerAdminBehaviour
from simtandem.emulator.aeradmin.control import AerAdminControl
from simtandem.emulator.aeradmin.devices import group_from_json
from simtandem.emulator.behaviour import Behaviour
from simtandem.emulator.faults import FaultRule
from simtandem.emulator.front_door import HttpFaultRule
from simtandem.emulator.gateway import Gateway
from simtandem.emulator.iot_accelerator import server as iot
from simtandem.emulator.iot_accelerator.api import IotAccelerator
from simtandem.emulator.iot_accelerator.behaviour import IotAcceleratorBehaviour
from simtandem.emulator.iot_accelerator.company import Company
from simtandem.emulator.iot_accelerator.control import IotAcceleratorControl
from simtandem.emulator.seeding import Group
from simtandem.emulator.world import DEFAULT_APPLICATION_TOKEN, World
from simtandem.host import clock
from simtandem.settings import Settings

LATENCY_S = 0.1
"""What each call is taken to last."""

_HERE = "http://127.0.0.1"
_FAULTS: tuple[Mapping[str, Any], ...] = (
    {"kind": "error", "share": 0.01, "status": 503},
    {"kind": "html", "share": 0.005},
    {"kind": "too_many", "share": 0.002},
    {"kind": "reset", "share": 0.005},
    {"kind": "close", "share": 0.005, "processed": True},
    {"kind": "hang", "share": 0.001, "seconds": 120.0},
)
"""What happens to which share of the calls, but for logging in: about three in a hundred don't go well."""

_NOT_LOGGING_IN = "^(?!.*(auth|token))"


@dataclass(frozen=True, slots=True)
class Listed:
    """What was listed: the devices (`schemas.tables.Inventory`), and whose they are, where that was asked."""

    inventory: pl.DataFrame
    owners: pl.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """An emulated carrier: the application that answers the calls, and the settings that lead there."""

    application: Application
    settings: Mapping[str, object]


def stage_of(settings: Settings, listed: Listed, *, faults: bool) -> Stage:
    """The emulated carrier for what was listed of the one in the settings. Its clock is the running loop's."""
    made = {"aeradmin": _aeradmin, "iot-accelerator": _iot_accelerator}.get(settings.carrier, _emnify)
    return made(settings, listed, _FAULTS if faults else ())


def _emnify(settings: Settings, listed: Listed, faults: tuple[Mapping[str, Any], ...]) -> Stage:
    behaviour = Behaviour()
    behaviour.change(calls=settings.calls, calls_window_s=settings.calls_window_s, latency_s=LATENCY_S)
    world = World(list(_pairs(listed.inventory)), behaviour=behaviour, clock=clock.seconds)
    for row in listed.owners.iter_rows(named=True) if listed.owners is not None else ():
        sim = world.fleet.sim(int(row["sim_id"]))
        for field in OwnerField:
            setattr(sim, field.removesuffix("_id"), None if row[field] is None else int(row[field]))
    world.inject(_rules(FaultRule, faults))
    return Stage(Gateway(world), {"emnify_url": _HERE, "emnify_token": SecretStr(DEFAULT_APPLICATION_TOKEN)})


def _pairs(inventory: pl.DataFrame) -> Iterator[Group]:
    """The devices; a half whose status is not known can't be held, and is left out."""
    for row in inventory.iter_rows(named=True):
        sim, endpoint = row["sim_status"], row["endpoint_status"]
        if sim is None and endpoint is None:
            continue
        yield Group.from_json(
            {
                "sim": sim,
                "endpoint": endpoint,
                "sim_id": int(row["sim_id"]) if sim is not None else None,
                "iccid": row["iccid"] if sim is not None else None,
                "endpoint_id": int(row["endpoint_id"]) if endpoint is not None else None,
            }
        )


def _aeradmin(settings: Settings, listed: Listed, faults: tuple[Mapping[str, Any], ...]) -> Stage:
    groups = [
        group_from_json({"iccid": row["sim_id"], "state": row["sim_status"]})
        for row in listed.inventory.filter(pl.col("sim_status").is_not_null()).iter_rows(named=True)
    ]
    body = json.loads(settings.aeradmin_change_body) if settings.aeradmin_change_body else None
    words = {word: aeradmin.State(state) for state, word in words_for_states(settings).items()}
    change = aeradmin.StateChange(settings.aeradmin_change_method.upper(), settings.aeradmin_change_path, body, words)
    behaviour = AerAdminBehaviour()
    behaviour.change(latency_s=LATENCY_S, assigned_to_billed=settings.aeradmin_assigned_to_billed)
    site = Account(groups, state_change=change, behaviour=behaviour, clock=clock.seconds)
    site.inject(_rules(HttpFaultRule, faults))
    login = {
        "aeradmin_url": _HERE,
        "aeradmin_account_id": aeradmin.ACCOUNT,
        "aeradmin_email": aeradmin.EMAIL,
        "aeradmin_api_key": SecretStr(aeradmin.API_KEY),
        "aeradmin_export": "",
    }
    return Stage(AerAdmin(site, AerAdminControl(site)), login)


def _iot_accelerator(_settings: Settings, listed: Listed, faults: tuple[Mapping[str, Any], ...]) -> Stage:
    groups = [
        iot.SubscriptionGroup.from_json({"icc": row["sim_id"], "state": row["sim_status"]})
        for row in listed.inventory.filter(pl.col("sim_status").is_not_null()).iter_rows(named=True)
    ]
    behaviour = IotAcceleratorBehaviour()
    behaviour.change(latency_s=LATENCY_S)
    site = Company(groups, behaviour=behaviour, clock=clock.seconds)
    site.inject(_rules(iot.IotFaultRule, faults))
    login = {
        "iot_accelerator_url": _HERE,
        "iot_accelerator_username": iot.USERNAME,
        "iot_accelerator_password": SecretStr(iot.PASSWORD),
        "iot_accelerator_company": iot.COMPANY,
    }
    return Stage(IotAccelerator(site, IotAcceleratorControl(site)), login)


def _rules(made: Callable[..., Any], faults: tuple[Mapping[str, Any], ...]) -> list[Any]:
    return [made(path=_NOT_LOGGING_IN, **fault) for fault in faults]
