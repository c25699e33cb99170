"""From settings to a carrier. The one place that knows which adapters there are."""

import logging
from collections.abc import Iterator

from schemas.statuses import Half
from simtandem.carriers.emnify.client import Account, Emnify
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.emnify.recorded_calls import changed_devices
from simtandem.carriers.emnify.refused_tokens import refused_tokens
from simtandem.carriers.protocol import Carrier, Journal
from simtandem.domain.lifecycle import Lifecycle
from simtandem.settings import Settings

log = logging.getLogger(__name__)


def open_carrier(settings: Settings, journal: Journal) -> Carrier:
    """The carrier of these settings; nothing is called yet. Raises `InputError` without a token."""
    account = Account(
        base_url=settings.emnify_url,
        token=settings.token(),
        calls=settings.capacity,
        window_s=settings.calls_window_s,
        sim_concurrency=settings.sim_concurrency,
        home=settings.home,
    )
    if settings.unencrypted:
        log.warning("%s", settings.unencrypted)
    return Emnify(account, journal)


def forget_refused_tokens(settings: Settings) -> int:
    """Let application tokens that the carrier refused be tried again; returns how many were remembered."""
    return refused_tokens(settings.home, settings.emnify_url).forget()


def devices_of(path: str, body: str | None) -> Iterator[tuple[Half, str]]:
    """The halves, by their ids, that a recorded call to the carrier of these settings would have changed."""
    return changed_devices(path, body)


def lifecycle() -> Lifecycle:
    """The rules of the carrier of these settings."""
    return EMNIFY
