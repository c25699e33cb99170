"""Bring the devices of a CSV to a status: read, list, plan, check, patch in paired batches, reconcile, report."""

import asyncio
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from schemas.parameters import BulkUpdate, Mode
from tasks.approval import obtain_approval
from tasks.artifacts import Progress, name_of_run, show_plan, show_result
from tasks.final_state import concluding
from tasks.finish import reconcile, write_report
from tasks.patch import PATCHES
from tasks.prepare import check_safety, list_inventory, plan_changes, read_devices
from tasks.server_login import ServerLogin
from tasks.session import PatchedBatch, RunSteps, Session, carry_out, final_state, open_session, stopping_in_good_order

BATCHES_UNDER_WAY = 3
"""While one batch's SIMs are patched, the next one's endpoints are: then the call budget never idles."""


def run_name() -> str:
    """What the run does, as far as it is known when it starts: `apply: depot-7.csv`."""
    params = BulkUpdate.model_validate(flow_run.parameters["params"])
    return name_of_run(f"{params.mode}: {params.list_name}")


@flow(name="bulk-update", flow_run_name=run_name, validate_parameters=True)
async def bulk_update(params: BulkUpdate) -> State[Any]:
    """Bring the devices of a CSV to a status, SIM and endpoint together, and prove it."""
    async with concluding() as end, open_session(params) as session:
        document = await carry_out(session, STEPS, sends=params.mode is Mode.APPLY)
        session.raise_if_fatal()
        end.state = final_state(document, session.trouble(), session.run.record_head())
    return end.state


async def approve(session: Session) -> None:
    """A person's decision, where one is needed: the server's login says whose it is."""
    await obtain_approval(session, ServerLogin())


async def patch_batches(session: Session) -> list[PatchedBatch]:
    """A few batches at a time, in order, while no other run sends to this carrier."""
    window = asyncio.Semaphore(BATCHES_UNDER_WAY)
    batches: list[PatchedBatch] = []
    under_way: list[asyncio.Task[None]] = []
    progress = Progress(session.applying.batch_count)
    await progress.begin()
    async with session.applying.turn():
        for work in session.applying.batches():
            await window.acquire()
            batches.append(session.begin_batch(work))
            pair = asyncio.create_task(patch_pair(session, batches[-1], progress))
            pair.add_done_callback(lambda _: window.release())
            under_way.append(pair)
        await session.all_done(under_way)
    return batches


async def patch_pair(session: Session, batch: PatchedBatch, progress: Progress) -> None:
    """One batch: its first halves, then the second halves that may follow."""
    for half in batch.halves:  # the ignore: Prefect's types forget that this is awaited
        await session.stop_if_fatal(await PATCHES[half](session, batch, return_state=True))  # type: ignore[misc]
    if await session.end_batch(batch):
        await progress.batch_done()


STEPS = RunSteps(
    read_devices=read_devices,
    list_inventory=list_inventory,
    plan_changes=plan_changes,
    show_plan=show_plan,
    obtain_approval=approve,
    check_safety=check_safety,
    stoppable=stopping_in_good_order,
    patch_batches=patch_batches,
    reconcile=reconcile,
    write_report=write_report,
    show_result=show_result,
)
"""What is done, in order. A run that only plans goes from `show_plan` to `write_report`."""
