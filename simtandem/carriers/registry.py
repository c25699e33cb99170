"""From settings to a carrier. The one place that knows which adapters there are."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from schemas.statuses import Half
from simtandem.carriers.aeris.aeradmin.carrier import AerAdmin
from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN
from simtandem.carriers.aeris.from_settings import open_aeradmin, open_iot_accelerator, require_access
from simtandem.carriers.aeris.iot_accelerator.carrier import IotAccelerator
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.aeris.iot_accelerator.rates import Rates
from simtandem.carriers.aeris.recorded_calls import changed_sims
from simtandem.carriers.emnify.client import Account, Emnify
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.emnify.recorded_calls import changed_devices
from simtandem.carriers.emnify.refused_tokens import refused_tokens
from simtandem.carriers.protocol import Carrier, Journal
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import InputError
from simtandem.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A carrier as the rest is given it: its rules, how it is opened, and which halves a recorded call would change.

    `opened` raises `InputError` where the settings lack something; it is None where nothing can be called yet.
    """

    lifecycle: Lifecycle
    opened: Callable[[Settings, Journal], Carrier] | None = None
    changed: Callable[[str, str | None], Iterable[tuple[Half, str]]] = lambda _path, _body: ()


def _emnify(settings: Settings, journal: Journal) -> Carrier:
    account = Account(
        name=settings.account,
        base_url=settings.emnify_url,
        token=settings.token(),
        calls=settings.capacity,
        window_s=settings.calls_window_s,
        sim_concurrency=settings.sim_concurrency,
        home=settings.home,
    )
    return Emnify(account, journal)


ADAPTERS: Final = {
    adapter.lifecycle.carrier: adapter
    for adapter in (
        Adapter(lifecycle=EMNIFY, opened=_emnify, changed=changed_devices),
        Adapter(lifecycle=AERADMIN, opened=open_aeradmin, changed=changed_sims),  # of both of Aeris's platforms
        Adapter(lifecycle=IOT_ACCELERATOR, opened=open_iot_accelerator),
    )
}
"""Every carrier, by the word that settings and records have for it."""


def open_carrier(settings: Settings, journal: Journal) -> Carrier:
    """The carrier of these settings; nothing is called yet. Raises `InputError` without a token, or for no carrier."""
    adapter = ADAPTERS.get(settings.carrier)
    if adapter is None or adapter.opened is None:
        known = ", ".join(name for name, each in ADAPTERS.items() if each.opened)
        raise InputError(
            f"Account {settings.account}: there is no carrier {settings.carrier} here, only {known}. Nothing was sent."
        )
    carrier = adapter.opened(settings, journal)
    for sentence in settings.warnings:
        log.warning("%s", sentence)
    return carrier


def require_credentials(settings: Settings) -> None:
    """Raise `InputError` where what every call of this carrier needs is not set."""
    if settings.carrier == Emnify.name:
        settings.token()
    else:
        require_access(settings)


def contract_notes(settings: Settings) -> list[str]:
    """What the settings say of fees and thresholds of the contract, for plans to show; nothing decides by it."""
    if settings.carrier != AerAdmin.name:
        return []
    told = {"Suspending costs, once": settings.aeradmin_suspension_fee, "Thresholds": settings.aeradmin_thresholds}
    return [f"{what}, by the settings: {text}." for what, text in told.items() if text]


def pace_of(settings: Settings) -> tuple[int, float]:
    """How many calls may be sent in which window, in seconds: the one that bounds a long run."""
    if settings.carrier == AerAdmin.name:
        return settings.aeradmin_calls_per_second, 1.0
    if settings.carrier == IotAccelerator.name:
        return Rates().requests.per_minute, 60.0
    return settings.capacity, settings.calls_window_s


def forget_refused_tokens(settings: Settings) -> int:
    """Let application tokens that the carrier refused be tried again; returns how many were remembered."""
    return refused_tokens(settings.home, settings.account_key).forget()


def devices_of(path: str, body: str | None) -> Iterator[tuple[Half, str]]:
    """The halves, by their ids, that a recorded call would have changed; no two carriers have the same paths."""
    for adapter in ADAPTERS.values():
        yield from adapter.changed(path, body)


def lifecycle_of(carrier: str) -> Lifecycle:
    """The rules of the carrier that settings, or the record of a run, call so. A stranger's allow nothing."""
    if adapter := ADAPTERS.get(carrier):
        return adapter.lifecycle
    return Lifecycle(carrier=carrier, sims=(), sim_moves=frozenset(), goals=())
