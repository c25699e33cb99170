"""What the flow does with the batches of a run, without Prefect."""

from contextlib import nullcontext

from sqlalchemy import update

from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus
from simtandem.errors import CarrierUnavailable
from simtandem.ledger.leases import next_turn
from simtandem.ledger.sharing_tables import claims
from simtandem.runs.apply import Applying
from simtandem.runs.batch import BatchWork
from simtandem.runs.run import Run
from tests.simtandem.model_fleet import ModelDevice, ModelFleet, device

SIM, ENDPOINT = Half.SIM, Half.ENDPOINT
RESTING = (SimStatus.ISSUED, EndpointStatus.DISABLED)
RUNNING = (SimStatus.ACTIVATED, EndpointStatus.ENABLED)


async def send_all(applying: Applying, *, retries: int = 0) -> None:
    """One batch after the other, each half as often as its task would be tried; in a turn of its own if in none yet."""
    async with nullcontext() if applying._run.lease.lease_id else applying.turn():
        for work in applying.batches():
            await send(applying, work, retries=retries)


async def send(applying: Applying, work: BatchWork, *, retries: int = 0) -> None:
    await _tried(applying, work, work.first, retries)
    await _tried(applying, work, work.second, retries)
    await applying.finish(work)


async def _tried(applying: Applying, work: BatchWork, half: Half, retries: int) -> None:
    for _ in range(retries + 1):
        try:
            await applying.apply(work, half)
        except CarrierUnavailable:
            continue
        return


def had_by_another_run(run: Run, *devices: str) -> None:
    """Another run has claimed these meanwhile, and released them; so the lease is lost."""
    with run.ledger.database.write() as connection:
        turn = next_turn(connection, run.lease.account)
        theirs = update(claims).where(claims.c.device.in_(devices))
        connection.execute(theirs.values(run_id="another", lease_id=None, turn=turn))
    run.lease.lost = True


def fleet_of(count: int, sim: SimStatus = SimStatus.ISSUED, endpoint: EndpointStatus | None = None) -> ModelFleet:
    """Devices 1 to `count`, endpoints 101 on; the endpoint agrees with the SIM unless given."""
    agreeing = EndpointStatus.ENABLED if sim is SimStatus.ACTIVATED else EndpointStatus.DISABLED
    return ModelFleet([device(number, sim, endpoint or agreeing) for number in range(1, count + 1)])


def sims(count: int) -> list[str]:
    """The SIM ids 1 to `count`, as a file's rows 2 on."""
    return [str(number) for number in range(1, count + 1)]


def outcomes(run: Run) -> dict[tuple[int, Half], Outcome]:
    """How each step ended, as the ledger has it, by SIM number and half."""
    rows = run.ledger.outcomes(run.run_id).iter_rows(named=True)
    return {(each["row"] - 1, Half(each["half"])): Outcome(each["outcome"]) for each in rows}


def said(run: Run, number: int, half: Half) -> str:
    """What the ledger says went wrong with a step."""
    rows = run.ledger.outcomes(run.run_id).iter_rows(named=True)
    return next(str(each["error"]) for each in rows if each["row"] == number + 1 and each["half"] == half)


def state(fleet: ModelFleet, number: int) -> tuple[SimStatus | None, EndpointStatus | None]:
    """Where a device is now."""
    one: ModelDevice = fleet.devices[number - 1]
    return one.sim, one.endpoint
