"""Runs that only look: read the file, list the carrier, compare, report. Nothing is sent that changes anything."""

from collections.abc import Awaitable, Callable
from typing import Any

from simtandem.carriers.protocol import Carrier
from simtandem.runs import finish
from simtandem.runs import prepare as preparing
from simtandem.runs.run import Run
from simtandem.ledger.records import RunKind


async def prepare(run: Run) -> None:
    """Read, list, plan and check: everything up to the first change.

    Raises `InputError`, `CarrierError`, `PlanRefused`.
    """
    await _up_to(run, preparing.check_safety)


async def _up_to(run: Run, gate: Callable[[Run, Carrier], Awaitable[None]]) -> None:
    preparing.read_devices(run)
    async with run.carrier() as (carrier, _):
        await preparing.list_inventory(run, carrier)
        preparing.plan_changes(run)
        await gate(run, carrier)


async def compare(run: Run) -> tuple[dict[str, Any], str]:
    """Compare file and carrier. Returns the run's document, and what the safety gate would say to applying it.

    A plan that the gate would refuse has that in its document, and its exit code.
    """
    refusals: list[str] = []

    async def foresee(run: Run, carrier: Carrier) -> None:
        refusals.append(await preparing.foreseen_refusal(run, carrier))

    await _up_to(run, foresee)
    refusal = refusals[0]
    return finish.finish(run, why=refusal if run.kind is RunKind.PLAN else ""), refusal
