"""What the rate limit of an account has left now, who used the rest, and which runs are sending."""

from schemas.call_budget import CallsLeft
from simtandem.carriers.calls_left import bounding_window, calls_left
from simtandem.ledger import call_slots
from simtandem.ledger.leases import Holder, held
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings

_SHOWN = 3


def calls_left_now(settings: Settings, ledger: Ledger) -> CallsLeft | None:
    """What the window that bounds a long run has left: for all hosts of a ledger in PostgreSQL, else for this home.

    None where that can't be read. Nothing is changed, and nobody is kept waiting.
    """
    if ledger.database.is_postgres:
        return call_slots.calls_left(ledger.database, settings.slots_pool, bounding_window(settings))
    return calls_left(settings)


def sending_now(settings: Settings, ledger: Ledger) -> list[Holder]:
    """The runs that change devices of this account, on any host, in the order they began."""
    return held(ledger.database, settings.account_key.file_name)


def said(left: CallsLeft | None, sending: list[Holder]) -> str:
    """Both in words."""
    if left is None:
        return "what the rate limit has left can't be read"
    parts = [f"{left.left:,} of {left.calls:,} calls in {left.window_s:g} s left"]
    if left.paused_s:
        parts.append(f"rate-limited (HTTP 429) for {left.paused_s:.0f} s more")
    if left.holders:
        more = f" and {len(left.holders) - _SHOWN} others" if len(left.holders) > _SHOWN else ""
        named = ", ".join(f"{count:,} by {holder}" for holder, count in left.holders[:_SHOWN])
        parts.append(f"used: {named}{more}")
    runs = ", ".join(f"{each.run_id} on {each.host}{' (urgent)' if each.urgent else ''}" for each in sending[:_SHOWN])
    if sending:
        parts.append(f"sending: {runs}" + (f" and {len(sending) - _SHOWN} more" if len(sending) > _SHOWN else ""))
    return "; ".join(parts)
