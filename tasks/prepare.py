"""Tasks before anything is sent."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from simtandem.runs import prepare
from tasks.session import Session


@task(name="read devices", cache_policy=NO_CACHE)
async def read_devices(session: Session) -> Session:
    """Read and validate the device CSV; bad rows are set aside with row, column and reason."""
    prepare.read_devices(session.run)
    return session


@task(name="list inventory", cache_policy=NO_CACHE)
async def list_inventory(session: Session) -> Session:
    """Read the devices asked for from the carrier, by listing or by id, whichever costs fewer calls."""
    await prepare.list_inventory(session.run, session.carrier)
    return session


@task(name="plan changes", cache_policy=NO_CACHE)
async def plan_changes(session: Session) -> Session:
    """Compare what is asked with what is there; plan only the difference."""
    prepare.plan_changes(session.run)
    return session


@task(name="check safety", cache_policy=NO_CACHE)
async def check_safety(session: Session) -> Session:
    """Refuse a plan beyond the safety limits, or another plan than the approved one."""
    await prepare.check_safety(session.run, session.carrier)
    return session
