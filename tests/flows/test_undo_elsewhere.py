"""A run that another host carries out is not undone, between two of its waves either, where it has no lease."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from schemas.parameters import BulkUpdate, Mode, Wish
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.errors import InputError
from simtandem.ledger import flow_runs
from simtandem.ledger.leases import held
from simtandem.ledger.records import RunState
from simtandem.ledger.store import Ledger
from simtandem.runs import prepare, undo
from simtandem.runs.handover import PreparedRun, handing_on
from simtandem.runs.run import Run, kind_of
from simtandem.settings import load
from tests.simtandem.ledger.conftest import new_schema, postgres_server

__all__ = ["new_schema", "postgres_server"]


@pytest.fixture
def run(emulator: Emulator, tmp_path: Path, new_schema: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run on this host whose list was read, as a command or an inbox leaves it to the flow."""
    monkeypatch.setenv("SIMTANDEM_LEDGER_URL", new_schema())
    emulator.refill([Group(2)])
    file = tmp_path / "devices.csv"
    file.write_text("sim_id\n" + "".join(f"{sim}\n" for sim in emulator.fleet.sims))
    request = BulkUpdate(file=str(file), to=Wish.ACTIVATED, mode=Mode.APPLY)
    begun = Run.begin(request, kind_of(request), load())
    prepare.read_devices(begun)
    begun.close()
    return begun


def found_elsewhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> RunState | None:
    """What an undo on another host finds the run to be."""
    with monkeypatch.context() as elsewhere, Ledger.open(run.settings.ledger()) as ledger:
        elsewhere.setattr(socket, "gethostname", lambda: "elsewhere")
        assert held(ledger.database, run.settings.account_key.file_name) == [], "it has no lease"
        return undo.find(ledger, run.run_id, run.settings.account_key).state


async def test_a_run_between_two_waves_is_not_undone_from_another_host(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.session import open_session  # noqa: PLC0415 - Prefect must know its server before

    with handing_on(PreparedRun.of(run)):
        async with open_session(run.request) as session:
            await prepare.list_inventory(session.run, session.carrier)
            prepare.plan_changes(session.run)
            with pytest.raises(InputError, match=f"Run {run.run_id} is under way"):
                found_elsewhere(run, monkeypatch)
    assert found_elsewhere(run, monkeypatch) is RunState.INTERRUPTED, "its process has ended"


async def test_a_flow_run_of_another_host_is_not_undone_until_it_is_not_heard_of(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.open(run.settings.ledger()) as ledger:
        run.ledger = ledger
        async with run.carrier() as (carrier, _):
            await prepare.list_inventory(run, carrier)
            prepare.plan_changes(run)
        before = flow_runs.found(ledger.database, "0f8fad5b-d9cb-469f-a165-70867728950e")
        flow_runs.take(ledger.database, before, run.run_id)
        with pytest.raises(InputError, match=f"Run {run.run_id} is under way"):
            found_elsewhere(run, monkeypatch)
        with ledger.database.write() as connection:
            connection.execute(text("UPDATE flow_runs SET seen_at = seen_at - 25"))
    assert found_elsewhere(run, monkeypatch) is RunState.INTERRUPTED
