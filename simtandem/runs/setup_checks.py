"""What `simtandem doctor` looks at: each point with what was found, and what to do where something is wrong.

A token is tried once for each account. One that the carrier refused before is not tried again: three failed logins lock
an account.
"""

import asyncio
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from simtandem import __version__
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain.abilities import Ability
from simtandem.errors import SimtandemError
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.store import Ledger
from simtandem.runs.run import looking_run, new_run_id, recorded_carrier
from simtandem.settings import Settings, account_names, load, load_home, prefect_api_url, settings_file

_ENOUGH_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """A point that was looked at. `remedy` is what to do; empty where it is in order."""

    what: str
    found: str
    remedy: str = ""


def checks(account: str, *, offline: bool) -> Iterator[Check]:
    """Look at everything that needs no carrier, then at each account, or at the one that is named."""
    yield _versions()
    yield _settings()
    home = load_home()
    yield _disk(home.home)
    ledger = _ledger(home)
    yield ledger
    yield _prefect()
    for name in [account] if account else account_names():
        yield from _account(name, offline=offline or bool(ledger.remedy))


def check_account(name: str) -> Check:
    """Log in to this account, once."""
    *_, last = _account(name, offline=False)
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


def _prefect() -> Check:
    url = prefect_api_url()
    return Check("Prefect", url or "a server of this home's own, started where a run needs it")


def _account(name: str, *, offline: bool) -> Iterator[Check]:
    what = f"account {name}"
    try:
        settings = load(name)
        if not settings.token_block:
            settings.token()
    except SimtandemError as error:
        yield Check(what, _first(error), _rest(error) or "Correct the settings.")
        return
    for sentence in settings.warnings:
        yield Check(what, sentence, "See there.")
    if settings.token_block:
        yield Check(what, f"its token is in Prefect's Secret block {settings.token_block}: tried by runs in Prefect")
    elif offline or lifecycle_of(settings.carrier).lacks(Ability.COUNT_FLEET, ""):
        yield Check(what, f"{settings.carrier} at {settings.carrier_host}; not called")
    else:
        yield _reach(what, settings)


def _reach(what: str, settings: Settings) -> Check:
    try:
        sims, charged = asyncio.run(_count(settings))
    except SimtandemError as error:
        return Check(what, _first(error), _rest(error) or error.remedy)
    limits = f"{settings.capacity:,} calls in {settings.calls_window_s:g} s"
    where = f"{settings.carrier} at {settings.carrier_host}"
    return Check(what, f"{where}: {sims:,} SIMs, {charged:,} of them charged; limit {limits}")


async def _count(settings: Settings) -> tuple[int, int]:
    """Log in and count, as a run of its own that changes nothing."""
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        started = datetime.now(UTC)
        run_id, asked = new_run_id(started), {"doctor": "counts the fleet"}
        ledger.start_run(looking_run(run_id, RunKind.PLAN, settings, started, asked))
        try:
            async with recorded_carrier(settings, ledger, run_id) as (carrier, _):
                counted = await carrier.count_fleet()
        except SimtandemError as error:
            ledger.record_state(run_id, RunState.FAILED, {"error": str(error)}, sealed=True)
            raise
        ledger.record_state(run_id, RunState.PLANNED, asked, sealed=True)
        return counted


def _first(error: SimtandemError) -> str:
    return str(error).partition("\n")[0]


def _rest(error: SimtandemError) -> str:
    return str(error).partition("\n")[2]
