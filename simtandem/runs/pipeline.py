"""The order of a run's steps, for the command line and for Prefect alike.

How a step is carried out, as a plain call or as a Prefect task, is the caller's business; what follows what is decided
here. Each step leaves its result in the run's folder, so a step that was carried out already returns at once.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

from simtandem.carriers.protocol import Carrier
from simtandem.domain.stop_reason import Stop
from simtandem.ledger.records import RunKind, RunState
from simtandem.reports.run_document import Document
from simtandem.runs import finish, prepare
from simtandem.runs.run import Run

Work = TypeVar("Work")
"""What the steps hand on: a run and its carrier, for one."""
Batches = TypeVar("Batches")
"""What the patching hands to the reconciling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSteps(Generic[Work]):
    """What carries out each step of a plan, in order."""

    read_devices: Callable[[Work], Awaitable[object]]
    list_inventory: Callable[[Work], Awaitable[object]]
    plan_changes: Callable[[Work], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSteps(PlanSteps[Work], Generic[Work, Batches]):
    """What carries out each step of a run, in order. In the block of `stoppable`, a stop lets the run report."""

    show_plan: Callable[[Work], Awaitable[object]]
    obtain_approval: Callable[[Work], Awaitable[object]]
    check_safety: Callable[[Work], Awaitable[object]]
    stoppable: Callable[[], AbstractAsyncContextManager[None]]
    patch_batches: Callable[[Work], Awaitable[Batches]]
    reconcile: Callable[[Work, Batches], Awaitable[object]]
    write_report: Callable[[Work], Awaitable[Document]]
    show_result: Callable[[Work, Document], Awaitable[object]]


async def plan(work: Work, steps: PlanSteps[Work]) -> None:
    """Up to the plan. Raises `InputError`, `CarrierError`."""
    await steps.read_devices(work)
    await steps.list_inventory(work)
    await steps.plan_changes(work)


async def carry_out(work: Work, steps: RunSteps[Work, Batches], *, sends: bool) -> Document:
    """The whole run; returns its document. Without `sends` it ends with the plan and its report."""
    await plan(work, steps)
    await steps.show_plan(work)
    if sends:
        await steps.obtain_approval(work)
        await steps.check_safety(work)
    async with steps.stoppable():
        if sends:
            batches = await steps.patch_batches(work)
            await steps.reconcile(work, batches)
        document = await steps.write_report(work)
        await steps.show_result(work, document)
    return document


@dataclass(frozen=True, slots=True)
class _Plain:
    """A run and its carrier, for steps that are plain calls."""

    run: Run
    carrier: Carrier

    async def read_devices(self) -> None:
        prepare.read_devices(self.run)

    async def list_inventory(self) -> None:
        await prepare.list_inventory(self.run, self.carrier)

    async def plan_changes(self) -> None:
        prepare.plan_changes(self.run)


_PLAIN: PlanSteps[_Plain] = PlanSteps(
    read_devices=_Plain.read_devices, list_inventory=_Plain.list_inventory, plan_changes=_Plain.plan_changes
)


async def plan_and_check(run: Run) -> None:
    """Everything up to the first change, in this process. Raises `InputError`, `CarrierError`, `PlanRefused`."""
    prepare.read_devices(run)  # a file that can't be used is named before a token that is missing
    async with run.carrier() as (carrier, _):
        await plan(_Plain(run, carrier), _PLAIN)
        await prepare.check_safety(run, carrier)


async def compare(run: Run) -> Document:
    """Compare file and carrier, in this process, and send nothing; returns the run's document."""
    prepare.read_devices(run)
    async with run.carrier() as (carrier, _):
        await plan(_Plain(run, carrier), _PLAIN)
        return await write_report(run, carrier)


async def write_report(
    run: Run, carrier: Carrier, ended: RunState = RunState.FINISHED, *, stop: Stop | None = None
) -> Document:
    """Judge every row and write the files. A plan that the safety gate would refuse has that in its document."""
    refusal = await prepare.foreseen_refusal(run, carrier) if run.kind is RunKind.PLAN else ""
    return finish.finish(run, ended, why=refusal, stop=stop)
