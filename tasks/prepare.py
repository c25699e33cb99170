"""Tasks before anything is sent."""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from simtandem.runs import prepare
from tasks.session import Session


@task(name="read devices", cache_policy=NO_CACHE)
async def read_devices(session: Session) -> dict[str, Any]:
    """Read and validate the device CSV; bad rows are set aside with row, column and reason."""
    return prepare.read_devices(session.run)


@task(name="list inventory", cache_policy=NO_CACHE)
async def list_inventory(session: Session) -> dict[str, Any]:
    """Read the devices asked for from the carrier, by listing or by id, whichever costs fewer calls."""
    return await prepare.list_inventory(session.run, session.carrier)


@task(name="plan changes", cache_policy=NO_CACHE)
async def plan_changes(session: Session) -> dict[str, Any]:
    """Compare what is asked with what is there; plan only the difference."""
    return prepare.plan_changes(session.run)


@task(name="check safety", cache_policy=NO_CACHE)
async def check_safety(session: Session) -> None:
    """Refuse a plan beyond the safety limits, or another plan than the approved one."""
    await prepare.check_safety(session.run, session.carrier)
