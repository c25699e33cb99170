"""From settings to a carrier. The one place that knows which adapters there are."""

from simtandem.carriers.base import Carrier, Journal, Lifecycle
from simtandem.carriers.emnify.client import Account, Emnify
from simtandem.carriers.emnify.lifecycle import EmnifyLifecycle
from simtandem.settings import Settings


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
    return Emnify(account, journal)


def lifecycle() -> Lifecycle:
    """The rules of the carrier of these settings."""
    return EmnifyLifecycle()
