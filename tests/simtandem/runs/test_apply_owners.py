"""An outage while owners change: what got through without an answer is not sent again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from schemas.organisations import OwnerField
from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from schemas.tables import Repeats, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.plan import make_plan
from simtandem.ledger.journal import CallWriter
from simtandem.runs.apply import Applying
from simtandem.runs.run import Run
from tests.simtandem.owned_fleet import asks
from tests.simtandem.runs.acting_carrier import ActingCarrier, Refused, Silent, Unreached
from tests.simtandem.runs.conftest import MakeRun
from tests.simtandem.runs.sending import RUNNING, fleet_of, outcomes, send_all, state

CUSTOMER = OwnerField.CUSTOMER
OTHER = "customer_org_id=43"
SIM = Half.SIM


def owned_by_42(count: int, **more: object) -> ActingCarrier:
    carrier = ActingCarrier(fleet_of(count, *RUNNING), **more)  # type: ignore[arg-type]  # fields by name
    for number in range(1, count + 1):
        carrier.owners[str(number)][CUSTOMER] = "42"
    return carrier


@asynccontextmanager
async def applying(
    run: Run, carrier: ActingCarrier, desired: Target | None, owners: str | None = OTHER
) -> AsyncIterator[Applying]:
    """The sending of a run that asks this status and these owners of every SIM."""
    sims = [one.sim_id for one in carrier.fleet.devices]
    devices = asks(*[(at, sim, desired, owners) for at, sim in enumerate(sims, 2)])
    told = await carrier.read_owners([sim for sim in sims if sim])
    plan = make_plan(devices, empty(Repeats), carrier.fleet.inventory(), EMNIFY, told)
    run.folder.save_table("plan.parquet", plan)
    run.folder.save("listing.json", {"begun": run.ledger.clock().isoformat(), "turn": 0})
    run.ledger.start_run(
        run.record({"file": "trial.csv", "sha256": "", "rows": plan.height, "invalid": 0, "notes": []})
    )
    carrier.owners_asked.clear()
    async with CallWriter(run.ledger, run.run_id) as journal:
        carrier.journal = journal
        yield Applying(run, carrier, journal)


def sent(carrier: ActingCarrier, ident: str) -> int:
    return carrier.sent.count((SIM, ident))


@pytest.mark.parametrize("desired", [None, Target.SUSPENDED])
@pytest.mark.parametrize("carried_out", [True, False])
async def test_after_an_outage_only_what_did_not_get_through_is_sent_again(
    make_run: MakeRun, desired: Target | None, carried_out: bool
) -> None:
    carrier = owned_by_42(3, acts={"2": [Silent(carried_out=carried_out)]})
    run = make_run([])
    async with applying(run, carrier, desired) as sending:
        await send_all(sending, retries=1)
    assert sent(carrier, "2") == (1 if carried_out else 2)
    assert set(outcomes(run).values()) == {Outcome.APPLIED}
    assert {held[CUSTOMER] for held in carrier.owners.values()} == {"43"}
    assert carrier.owners_asked == [["2"]], "only of what is open"
    assert carrier.fleet.illegal == []


async def test_a_status_that_shows_does_not_make_up_for_an_owner_that_does_not(make_run: MakeRun) -> None:
    carrier = owned_by_42(1, acts={"1": [Silent(carried_out=True)]})
    run = make_run([])
    async with applying(run, carrier, Target.SUSPENDED) as sending:
        work = next(sending.batches())
        with pytest.raises(Exception, match="still open"):
            await sending.apply(work, work.first)
        carrier.owners["1"][CUSTOMER] = "42"  # the carrier took the status alone
        await sending.apply(work, work.first)
        await sending.apply(work, work.second)
    assert sent(carrier, "1") == 2
    assert carrier.owners["1"][CUSTOMER] == "43"
    assert carrier.fleet.illegal == [], "the status that shows is not sent again"
    assert state(carrier.fleet, 1) == (SimStatus.SUSPENDED, EndpointStatus.DISABLED)


async def test_an_outage_that_never_reached_the_carrier_is_sent_again_whole(make_run: MakeRun) -> None:
    carrier = owned_by_42(1, acts={"1": [Unreached()]})
    run = make_run([])
    async with applying(run, carrier, Target.SUSPENDED) as sending:
        await send_all(sending, retries=1)
    assert outcomes(run) == {(1, SIM): Outcome.APPLIED, (1, Half.ENDPOINT): Outcome.APPLIED}
    assert carrier.owners["1"][CUSTOMER] == "43"


async def test_a_refused_owner_holds_the_partner_of_its_sim(make_run: MakeRun) -> None:
    carrier = owned_by_42(2, acts={"1": [Refused()]})
    run = make_run([])
    async with applying(run, carrier, Target.SUSPENDED) as sending:
        await send_all(sending)
    assert outcomes(run)[1, SIM] is Outcome.REFUSED
    assert outcomes(run)[1, Half.ENDPOINT] is Outcome.HELD
    assert state(carrier.fleet, 1) == RUNNING


async def test_a_run_that_asks_for_no_owner_does_not_read_any_after_an_outage(make_run: MakeRun) -> None:
    carrier = owned_by_42(1, acts={"1": [Silent(carried_out=True)]})
    run = make_run([])
    async with applying(run, carrier, Target.SUSPENDED, owners=None) as sending:
        await send_all(sending, retries=1)
    assert outcomes(run)[1, SIM] is Outcome.APPLIED
    assert carrier.owners_asked == []
