"""Bring the devices of a CSV to a status: read, list, plan, check, patch in paired batches, reconcile, report."""

import asyncio
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from schemas.parameters import BulkUpdate, Mode
from tasks.approval import obtain_approval
from tasks.artifacts import name_of_run, show_plan, show_result
from tasks.final_state import concluding, final_state
from tasks.finish import reconcile, write_report
from tasks.patch import PATCHES
from tasks.prepare import check_safety, list_inventory, plan_changes, read_devices
from tasks.server_login import ServerLogin
from tasks.session import (
    BATCHES_UNDER_WAY,
    PatchedBatch,
    RunSteps,
    Session,
    carry_out,
    open_session,
    stopping_in_good_order,
)
from tasks.waves import Wave, decide


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
    """The waves, one after the other: each as far as the one before it lets it begin."""
    batches: list[PatchedBatch] = []
    await session.begin_sending()
    async with session.in_prefect.heeded():
        for wave in session.applying.turns.waves:
            began = session.run.ledger.clock()
            sent = await patch_wave(session, wave)
            batches += sent
            await decide(session, wave, began, sent=bool(sent))
    session.end_sending()
    return batches


async def patch_wave(session: Session, wave: Wave) -> list[PatchedBatch]:
    """A few batches at a time, in order. A pause or a stop leaves the rest at once; a pause lets others send."""
    window = asyncio.Semaphore(BATCHES_UNDER_WAY)
    batches: list[PatchedBatch] = []
    session.begin_wave(wave)
    while session.applying.turns.left(wave):
        under_way: list[asyncio.Task[None]] = []
        async with session.heeding_pauses(), session.applying.turn(wave):
            await session.complete_pairs()
            while session.begins_more(wave):
                await window.acquire()
                if not session.begins_more(wave):  # someone paused or stopped it meanwhile
                    window.release()
                    break
                batches.append(session.begin_batch(session.applying.turns.next_batch(wave)))
                pair = asyncio.create_task(patch_pair(session, batches[-1]))
                pair.add_done_callback(lambda _: window.release())
                under_way.append(pair)
            await session.all_done(under_way)
            await session.complete_pairs()
            await session.leave_rest(wave)
        await session.stay_paused()
    return batches


async def patch_pair(session: Session, batch: PatchedBatch) -> None:
    """One batch: its first halves, then the second halves that may follow."""
    for half in batch.halves:  # the ignore: Prefect's types forget that this is awaited
        await session.stop_if_fatal(await PATCHES[half](session, batch, return_state=True))  # type: ignore[misc]
    await session.end_batch(batch)


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
