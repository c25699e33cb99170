"""From settings to a carrier. The one place that knows which adapters there are."""

import logging
from collections.abc import Iterator

from schemas.statuses import Half
from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.emnify.client import Account, Emnify
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.emnify.recorded_calls import changed_devices
from simtandem.carriers.emnify.refused_tokens import refused_tokens
from simtandem.carriers.protocol import Carrier, Journal
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import InputError
from simtandem.settings import Settings

log = logging.getLogger(__name__)


def open_carrier(settings: Settings, journal: Journal) -> Carrier:
    """The carrier of these settings; nothing is called yet. Raises `InputError` without a token, or for no carrier."""
    if settings.carrier != Emnify.name:
        raise InputError(
            f"Account {settings.account}: there is no carrier {settings.carrier} here, only {Emnify.name}. "
            "Nothing was sent."
        )
    account = Account(
        name=settings.account,
        base_url=settings.emnify_url,
        token=settings.token(),
        calls=settings.capacity,
        window_s=settings.calls_window_s,
        sim_concurrency=settings.sim_concurrency,
        home=settings.home,
    )
    for sentence in settings.warnings:
        log.warning("%s", sentence)
    return Emnify(account, journal)


def forget_refused_tokens(settings: Settings) -> int:
    """Let application tokens that the carrier refused be tried again; returns how many were remembered."""
    return refused_tokens(settings.home, settings.account_key).forget()


def devices_of(path: str, body: str | None) -> Iterator[tuple[Half, str]]:
    """The halves, by their ids, that a recorded call to the carrier of these settings would have changed."""
    return changed_devices(path, body)


def lifecycle_of(carrier: str) -> Lifecycle:
    """The rules of the carrier that settings, or the record of a run, call so. A stranger's allow nothing."""
    found = (one for one in (EMNIFY, AERADMIN, IOT_ACCELERATOR) if one.carrier == carrier)
    return next(found, Lifecycle(carrier=carrier, sims=(), sim_moves=frozenset(), goals=()))
