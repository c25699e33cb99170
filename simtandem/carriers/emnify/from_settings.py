"""From settings to emnify."""

from simtandem.carriers.emnify.client import Account, Emnify, Wire
from simtandem.carriers.protocol import Journal
from simtandem.carriers.sharing import Shared
from simtandem.settings import Settings


def open_emnify(settings: Settings, journal: Journal, shared: Shared) -> Emnify:
    """emnify; nothing is called yet. Raises `InputError` without a token."""
    account = Account(
        name=settings.account,
        base_url=settings.emnify_url,
        token=settings.token(),
        calls=settings.capacity,
        window_s=settings.calls_window_s,
        sim_concurrency=settings.sim_concurrency,
        home=settings.home,
    )
    wire = Wire(transport=shared.instead, notes=settings.home if shared.instead else None)
    return Emnify(account, journal, wire, shared)
