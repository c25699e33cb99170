"""What `simtandem doctor` looks at: each point with what was found, and what to do where something is wrong.

A token is tried once for each account. One that the carrier refused before is not tried again: three failed logins lock
an account.
"""

import asyncio
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import polars as pl

from schemas.tables import Devices, empty
from simtandem import __version__
from simtandem.carriers import server_clock
from simtandem.carriers.protocol import Answer, Call, Carrier, Listing
from simtandem.carriers.registry import lifecycle_for, open_carrier, pace_of, require_credentials
from simtandem.carriers.sharing import Shared
from simtandem.domain import charge_words
from simtandem.domain.abilities import Ability
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import LedgerError, SimtandemError
from simtandem.ledger import store_mark
from simtandem.ledger.object_store import ObjectStore
from simtandem.ledger.store import Ledger
from simtandem.runs.rate_limit_use import calls_left_now, said, sending_now
from simtandem.runs.run import place_of_slots, slots_of_hosts
from simtandem.settings import Settings, account_names, load, load_home, settings_file

_ENOUGH_BYTES = 1_000_000_000
_CLOCKS_DIFFER_S = 60.0
_CHANGES = ("change", "put_back")
_COUNTS_BY_ADDRESS = "emnify"
_CALLS_OF_AN_ADDRESS = int(Settings.model_fields["calls"].default)


@dataclass(frozen=True, slots=True)
class Check:
    """A point that was looked at. `remedy` is what to do; empty where it is in order, or could not be `unchecked`."""

    what: str
    found: str
    remedy: str = ""
    unchecked: bool = False


def checks(account: str, *, offline: bool, prefect: Callable[[Path], tuple[str, str]]) -> Iterator[Check]:
    """Look at everything that needs no carrier, then at each account, or at the one that is named.

    `prefect` looks after Prefect of this home: what it found, and what to do.
    """
    yield _versions()
    yield _settings()
    home = load_home()
    yield _disk(home.home)
    ledger = _ledger(home)
    yield ledger
    if home.store is not None:
        yield _store(home, ledger)
    yield Check("Prefect", *prefect(home.home))
    for name in [account] if account else account_names():
        yield from _account(name, offline=offline or bool(ledger.remedy))
        if not ledger.remedy:
            yield from _rate_limit(name)
        if not offline:
            yield from _clock(name)
    if not account:
        yield from _one_address(account_names())


def check_account(name: str, iccid: str = "") -> Check:
    """Log in to this account, once; where its carrier can't be counted, read the SIM that is named."""
    *_, last = _account(name, offline=False, iccid=iccid)
    return last


def _versions() -> Check:
    found = ", ".join(f"{name} {version(name)}" for name in ("prefect", "polars", "sqlalchemy", "httpx"))
    return Check("versions", f"simtandem {__version__}, Python {platform.python_version()}, {found}")


def _settings() -> Check:
    file = settings_file()
    return Check(
        "settings", f"{file.path if file else 'the environment alone'}; accounts: {', '.join(account_names())}"
    )


def _disk(home: Path) -> Check:
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Check("disk", f"{home} can't be read: {error.strerror}", "Name a folder of your own in SIMTANDEM_HOME.")
    remedy = "" if free >= _ENOUGH_BYTES else "Make room, or prune old runs: simtandem prune."
    return Check("disk", f"{free / 1e9:,.1f} GB free in {home}", remedy)


def _ledger(home: Settings) -> Check:
    try:
        with Ledger.open(home.ledger(), heads_file=home.heads_file) as ledger:
            newest = ledger.runs(1)
            place = ledger.database.place
    except SimtandemError as error:
        return Check("ledger", _first(error), _rest(error) or "Restore it from a backup.")
    last = f"the newest run is {newest[0].record.run_id}" if newest else "no runs yet"
    return Check("ledger", f"{place}; {last}")


def _store(home: Settings, ledger: Check) -> Check:
    """Whether it is the ledger's own, and takes a file, gives it back and removes it, as a run needs."""
    if ledger.remedy:
        return Check("store", f"{home.store}: not tried, since only the ledger says whether it is the right one")
    try:
        with Ledger.open(home.ledger(), heads_file=home.heads_file) as opened:
            store = ObjectStore(str(home.store))
            store_mark.require(opened.database, store)
            store.try_out()
    except SimtandemError as error:
        return Check("store", _first(error), _rest(error) or error.remedy)
    return Check("store", f"{home.store}: a file could be put there, read and removed")


def _account(name: str, *, offline: bool, iccid: str = "") -> Iterator[Check]:
    what = f"account {name}"
    try:
        settings = load(name)
        require_credentials(settings)
    except SimtandemError as error:
        yield Check(what, _first(error), _rest(error) or "Correct the settings.")
        return
    for sentence in settings.warnings:
        yield Check(what, sentence, "See there.")
    where = f"{settings.carrier} at {settings.carrier_host}; not called"
    if offline:
        yield Check(what, where)
    elif not iccid and lifecycle_for(settings).lacks(Ability.COUNT_FLEET, ""):
        yield Check(what, where + _unchecked(name), unchecked=True)
    else:
        yield _reach(what, settings, iccid)


def _unchecked(name: str) -> str:
    """What is not known of an account that no call without a SIM is known for, and what finds it out."""
    return (
        "; its key is not checked, as every call here names a SIM. It is checked by: simtandem plan FILE "
        f"--account {name}, for a list of one SIM"
    )


def _rate_limit(name: str) -> Iterator[Check]:
    """What is left of it, and who is sending; nothing where the account's settings, or its ledger, can't be used."""
    with suppress(SimtandemError):
        settings = load(name)
        with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
            left, sending = calls_left_now(settings, ledger), sending_now(settings, ledger)
        yield Check(f"rate limit of {name}", said(left, sending))


def _one_address(names: list[str]) -> Iterator[Check]:
    """Accounts of one host that may together make more calls from one address than the carrier allows it.

    emnify counts by address; the accounts count apart, since each could be used from an address of its own.
    """
    together: dict[tuple[str, str], dict[str, int]] = {}
    for name in names:
        with suppress(SimtandemError):
            settings = load(name)
            if settings.carrier == _COUNTS_BY_ADDRESS:
                together.setdefault((settings.carrier_host, settings.egress), {})[name] = settings.calls
    for (host, _), calls in together.items():
        if len(calls) > 1 and (most := sum(calls.values())) > max(_CALLS_OF_AN_ADDRESS, *calls.values()):
            yield Check(
                f"rate limit of {', '.join(calls)}",
                f"{host} counts the calls of an address together; these accounts allow themselves {most:,} in a window",
                f"Give each a share, together at most {_CALLS_OF_AN_ADDRESS:,}: calls = … in its section.",
            )


def _clock(name: str) -> Iterator[Check]:
    """The carrier's clock against that of this machine; nothing where the account's settings can't be used."""
    with suppress(SimtandemError):
        settings = load(name)
        settings.require_private()
        ahead = server_clock.ahead_s(settings.carrier_url)
        if ahead is None:
            yield Check(f"clock of {name}", f"{settings.carrier_host} does not say what time it has")
        elif abs(ahead) <= _CLOCKS_DIFFER_S:
            yield Check(f"clock of {name}", f"as that of {settings.carrier_host}, within a minute")
        else:
            where = "ahead of" if ahead > 0 else "behind"
            found = f"this machine's clock is {abs(ahead):,.0f} s {where} that of {settings.carrier_host}"
            yield Check(f"clock of {name}", found, "Set it by the network's time (timedatectl set-ntp true).")


def _reach(what: str, settings: Settings, iccid: str) -> Check:
    try:
        found = asyncio.run(_looked(settings, iccid))
    except SimtandemError as error:
        return Check(what, _first(error), _rest(error) or error.remedy or "Correct it, and try again.")
    calls, window_s = pace_of(settings)
    limits = f"{calls:,} calls in {window_s:g} s"
    where = f"{settings.carrier} at {settings.carrier_host}"
    return Check(what, f"{where}: {found}; limit {limits}")


async def _looked(settings: Settings, iccid: str) -> str:
    """What one look shows, the fleet's numbers or a SIM's status. It is no run; the rate limit counts its calls."""
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        slots = slots_of_hosts(settings, ledger, "doctor", None)
        carrier = open_carrier(settings, _OnlyReads(), Shared(slots, place_of_slots(ledger) if slots else ""))
        try:
            return await _read(carrier, iccid) if iccid else _counted(*await carrier.count_fleet(), carrier.lifecycle)
        finally:
            await carrier.aclose()


class _OnlyReads:
    """A journal of calls that nobody has to find again. What would change anything is not sent."""

    async def intent(self, call: Call) -> str:
        if call.purpose in _CHANGES:
            raise LedgerError(f"{call.method} {call.path} changes something, and is not recorded. Nothing was sent.")
        return ""

    async def answer(self, call_id: str, answer: Answer) -> None:
        pass


def _counted(sims: int, charged: int, lifecycle: Lifecycle) -> str:
    return f"{sims:,} SIMs, {charged:,} of them {charge_words.counted(lifecycle)}"


async def _read(carrier: Carrier, iccid: str) -> str:
    asked = pl.DataFrame([(1, None, None, iccid, None, None)], schema=empty(Devices).schema, orient="row")
    listing = await carrier.find(asked)
    status = next(iter(listing.inventory["sim_status"]), None)
    return f"SIM {iccid} is {status}" if status else f"SIM {iccid}: {_why(listing)}"


def _why(listing: Listing) -> str:
    return next(iter(listing.refused.values()), "it is not among what the carrier shows")


def _first(error: SimtandemError) -> str:
    return str(error).partition("\n")[0]


def _rest(error: SimtandemError) -> str:
    return str(error).partition("\n")[2]
