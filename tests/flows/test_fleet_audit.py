"""The audit as a flow: it changes nothing, and says in its state what it found."""

from contextlib import closing
from pathlib import Path

import pytest

from flows.fleet_audit import fleet_audit
from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.server import Emulator, Group
from simtandem.ledger.records import RunState
from simtandem.ledger.store import Ledger
from simtandem.settings import load

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("prefect_client")]

FLEET = (
    Group(4, SimStatus.ACTIVATED, EndpointStatus.ENABLED),
    Group(2, SimStatus.ACTIVATED, EndpointStatus.DISABLED),
    Group(1, SimStatus.FACTORY_TEST, EndpointStatus.ENABLED),
)


async def test_an_audit_as_a_flow_completes_and_tells_what_it_found(emulator: Emulator, tmp_path: Path) -> None:
    emulator.refill(FLEET)

    state = await fleet_audit(return_state=True)

    assert (state.type.value, state.name) == ("COMPLETED", "Findings")
    assert str(state.message).startswith("7 SIMs, 7 endpoints: 2 paying but off, 1 factory test. Run ")
    assert all(route.startswith(("GET ", "POST /api/v1/authenticate")) for route in emulator.stats()["by_route"])
    assert len(list((tmp_path / "home" / "runs").glob("*/repair-paying_but_off.csv"))) == 1
    with closing(Ledger.open(load().ledger())) as ledger:
        [run] = ledger.runs()
    assert run.record.parameters["prefect"]["flow_run"] == str(state.state_details.flow_run_id)  # type: ignore[index]


async def test_an_audit_of_a_clean_fleet_is_plainly_completed(emulator: Emulator) -> None:
    emulator.refill(FLEET[:1])

    state = await fleet_audit(return_state=True)

    assert (state.type.value, state.name) == ("COMPLETED", "Completed")
    assert "nothing found" in str(state.message)


async def test_an_audit_that_can_not_get_in_says_so_with_the_head_of_its_record(emulator: Emulator) -> None:
    emulator.refill(FLEET)
    emulator.configure(calls=0, retry_after=True, calls_window_s=100_000)

    state = await fleet_audit(return_state=True)

    assert (state.type.value, state.name) == ("FAILED", "Carrier out of reach")
    with closing(Ledger.open(load().ledger())) as ledger:
        [run] = ledger.runs()
        entry = ledger.entry(run.record.run_id)
    assert run.state is RunState.FAILED
    assert str(state.message) == f"{run.detail['error']} {entry.spoken if entry else ''}"
