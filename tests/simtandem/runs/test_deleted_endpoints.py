"""SIMs that are charged although their endpoint is Deleted: found, repaired, and then left alone."""

import asyncio
from pathlib import Path

from schemas.statuses import EndpointStatus, SimStatus, Target
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.reports.audit_document import AuditDocument
from simtandem.runs import audit_output, fleet_audit
from tests.simtandem.runs.emulated import Desk

GONE = EndpointStatus.DELETED
FLEET = [Group(2, SimStatus.ACTIVATED, GONE), Group(sim=SimStatus.ACTIVATED, endpoint=EndpointStatus.ENABLED)]


def audited(desk: Desk) -> AuditDocument:
    async def look(one: fleet_audit.Audit) -> None:
        async with one.carrier() as carrier:
            await fleet_audit.list_fleet(one, carrier)
            await fleet_audit.explain_changes(one, carrier)

    with fleet_audit.auditing_of(desk.settings) as one:
        asyncio.run(look(one))
        return audit_output.finish(one, fleet_audit.judge(one))


def test_the_audit_counts_them_and_its_repair_suspends_them(tmp_path: Path) -> None:
    with Emulator(FLEET, path_limits=False) as emulator:
        desk = Desk(emulator, tmp_path / "home")
        found = audited(desk)
        assert found["findings"]["sim_without_endpoint"] == 2
        assert found["findings"]["paying_but_off"] == 0
        repaired = desk.request(found["files"]["repair-sim_without_endpoint"])
        assert repaired["exit_code"] == 0
        assert (repaired["plan"]["sim_changes"], repaired["plan"]["endpoint_changes"]) == (2, 0)
        assert emulator.fleet.state_counts() == {"Suspended/Deleted": 2, "Activated/Enabled": 1}
        assert not any(audited(desk)["findings"].values()), "not even drifted"
        again = desk.request(found["files"]["repair-sim_without_endpoint"])
        assert (again["exit_code"], again["plan"]["unchanged"]) == (0, 2)


def test_suspending_them_can_not_be_undone_and_the_undo_says_why(tmp_path: Path) -> None:
    with Emulator(FLEET, path_limits=False) as emulator:
        desk = Desk(emulator, tmp_path / "home")
        first = min(emulator.fleet.sims)
        undone = desk.undo(desk.apply({first: Target.SUSPENDED})["run_id"])
        assert (undone["plan"]["refused"], undone["plan"]["sim_changes"]) == (1, 0)
        plan = Path(undone["files"]["plan"]).read_text(encoding="utf-8-sig")
        assert "was Activated+Deleted before the run, a split pair that is charged for nothing" in plan
