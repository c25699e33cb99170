"""Runs that only look: read the file, list the carrier, compare, report. Nothing is sent that changes anything."""

from typing import Any

from simtandem.errors import PlanRefused
from simtandem.job import closing, preparing
from simtandem.job.run import Run


async def prepare(run: Run) -> dict[str, Any]:
    """Read, list, plan and check: everything up to the first change. Returns the plan's counts.

    Raises `InputError`, `CarrierError`, `PlanRefused`.
    """
    preparing.read_devices(run)
    async with run.carrier() as (carrier, _):
        await preparing.list_inventory(run, carrier)
        plan = preparing.plan_changes(run)
        await preparing.check_safety(run, carrier)
    return plan


async def compare(run: Run) -> tuple[dict[str, Any], str]:
    """Compare file and carrier. Returns the run's document, and what the safety gate would say to applying it."""
    refusal = ""
    try:
        await prepare(run)
    except PlanRefused as error:
        refusal = str(error)
    return closing.finish(run), refusal
