"""Bring the devices of a CSV to a status: read, list, plan, check, patch in paired batches, reconcile, report."""

import asyncio
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from schemas.parameters import BulkUpdate, Mode
from tasks.approval import obtain_approval
from tasks.artifacts import Progress, name_of_run, show_plan, show_result
from tasks.final_state import concluded
from tasks.finish import reconcile, write_report
from tasks.patch import PATCHES
from tasks.prepare import check_safety, list_inventory, plan_changes, read_devices
from tasks.server_login import ServerLogin
from tasks.session import Session, final_state, open_session, stopping_in_good_order

BATCHES_UNDER_WAY = 3
"""While one batch's SIMs are patched, the next one's endpoints are: then the call budget never idles."""


def run_name() -> str:
    """What the run does, as far as it is known when it starts: `apply: depot-7.csv`."""
    params = BulkUpdate.model_validate(flow_run.parameters["params"])
    return name_of_run(f"{params.mode}: {params.list_name}")


@flow(name="bulk-update", flow_run_name=run_name, validate_parameters=True)
async def bulk_update(params: BulkUpdate) -> State[Any]:
    """Bring the devices of a CSV to a status, SIM and endpoint together, and prove it."""
    return await concluded(bring_to_status(params))


async def bring_to_status(params: BulkUpdate) -> State[Any]:
    """The steps, in order."""
    async with open_session(params) as session:
        await read_devices(session)
        await list_inventory(session)
        await plan_changes(session)
        await show_plan(session)
        if params.mode is Mode.APPLY:
            await obtain_approval(session, ServerLogin())
            await check_safety(session)
        async with stopping_in_good_order():
            if params.mode is Mode.APPLY:
                await patch_batches(session)
                await reconcile(session)
            document = await write_report(session)
            await show_result(session, document)
        session.raise_if_fatal()
        return final_state(document, session.trouble(), session.run.record_head())


async def patch_batches(session: Session) -> None:
    """A few batches at a time, in order, while no other run sends to this carrier."""
    window = asyncio.Semaphore(BATCHES_UNDER_WAY)
    under_way: list[asyncio.Task[None]] = []
    progress = Progress(session.applying.batch_count)
    await progress.begin()
    async with session.applying.turn():
        for work in session.applying.batches():
            await window.acquire()
            pair = asyncio.create_task(patch_pair(session, session.take_up(work), progress))
            pair.add_done_callback(lambda _: window.release())
            under_way.append(pair)
        await session.all_done(under_way)


async def patch_pair(session: Session, number: int, progress: Progress) -> None:
    """One batch: its first halves, then the second halves that may follow."""
    for half, batch in session.halves(number):  # the ignore: Prefect's types forget that this is awaited
        patch = PATCHES[half](session, number, batch, return_state=True)
        await session.stop_if_fatal(await patch)  # type: ignore[misc]
    if await session.settle(number):
        await progress.batch_done()
