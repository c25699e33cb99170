"""SIMs get other owners from the command line, and get them back; kills and refusals in between."""

import csv
from pathlib import Path

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.devices import OWN_ORGANISATION
from simtandem.emulator.seeding import Group
from tests.end_to_end.conftest import MakeDesk
from tests.end_to_end.operator_desk import FIRST, Desk, until

pytestmark = pytest.mark.timeout(300)
RUNNING = (SimStatus.ACTIVATED, EndpointStatus.ENABLED)
OWN = OWN_ORGANISATION


def write(desk: Desk, *lines: str) -> Path:
    path = desk.folder / "owners.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def customers(desk: Desk) -> list[int | None]:
    return [sim.customer_org for sim in desk.emulator.fleet.sims.values()]


def test_owners_are_planned_allowed_changed_and_put_back(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(1), Group(2, *RUNNING))
    file = write(
        desk, "SIM ID;status;Customer Org ID", f"{FIRST};activated;42", f"{FIRST + 1};;42.0", f"{FIRST + 2};;NONE"
    )
    planned = desk.run("plan", file)
    assert planned.code == 3, "it would be refused"
    assert "3  SIMs among them get another owner" in planned.out

    refused = desk.run("apply", file, "--yes", "--accept-large")
    assert refused.code == 3
    assert "3 SIMs would change their owner" in refused.err
    assert "run again with --change-owners" in refused.err
    assert desk.patches() == 0

    applied = desk.run("apply", file, "--yes", "--change-owners", "--json").document()
    assert (applied["exit_code"], applied["plan"]["owner_changes"]) == (0, 3)
    assert customers(desk) == [42, 42, None]
    sent = desk.patches()
    assert sent == 3 + 1, "a PATCH for each SIM, status and owner together, and one for the endpoint"
    assert desk.run("apply", file, "--yes").code == 0
    assert desk.patches() == sent

    undone = desk.run("undo", applied["run_id"], "--yes")
    assert undone.code == 3
    undone = desk.run("undo", applied["run_id"], "--yes", "--change-owners", "--json")
    assert undone.code == 1
    assert customers(desk) == [42, OWN, OWN], "nothing goes back to Issued, so that SIM stays with its customer"
    assert desk.emulator.stats()["needless_owners"] == 0


def test_what_is_otherwise_later_is_found_and_retried(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(2, *RUNNING))
    file = write(desk, "sim_id,customer_org_id", f"{FIRST},42", f"{FIRST + 1},42")
    assert desk.run("apply", file, "--yes", "--change-owners").code == 0
    desk.emulator.change(lambda fleet: setattr(fleet.sim(FIRST), "customer_org", 77))
    looked = desk.run("reconcile", file, "--json")
    assert looked.code == 1
    told = looked.document()
    with Path(told["files"]["results"]).open(encoding="utf-8-sig", newline="") as lines:
        first = next(csv.DictReader(lines))
    assert (first["customer_org_id"], first["owners_after"]) == ("42", "customer_org_id=77")

    assert desk.run("retry", told["run_id"], "--yes").code == 3
    assert desk.run("retry", told["run_id"], "--yes", "--change-owners").code == 0
    assert customers(desk) == [42, 42]
    assert desk.run("reconcile", file).code == 0


def test_a_killed_run_is_gone_on_with_and_no_owner_is_sent_twice(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(60, *RUNNING), latency_s=0.05)
    file = write(desk, "sim_id,status,customer_org_id", *(f"{FIRST + at},suspended,42" for at in range(60)))
    flags = ("--yes", "--change-owners", "--accept-large")
    running = desk.start("apply", file, *flags, SIMTANDEM_SIM_CONCURRENCY="2")
    until(lambda: desk.emulator.stats()["sim_patches"] >= 10, "SIMs are being changed")
    running.kill()
    running.communicate()
    assert OWN in customers(desk)

    desk.emulator.configure(latency_s=0.0)
    assert desk.run("apply", file, *flags).code == 0
    assert set(customers(desk)) == {42}
    assert desk.emulator.fleet.state_counts() == {"Suspended/Disabled": 60}
    stats = desk.emulator.stats()
    assert (stats["sim_patches_repeated"], stats["needless_owners"], stats["needless_sim_patches"]) == ({}, 0, 0)


def test_a_role_that_does_not_reach_so_far_is_explained(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(1, *RUNNING), role="customer")
    done = desk.run("apply", write(desk, "sim_id,issuer_org_id", f"{FIRST},5"), "--yes", "--change-owners")
    assert done.code == 1
    [folder] = desk.run_folders()
    assert "its customer only the status" in (folder / "results.csv").read_text(encoding="utf-8-sig")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["sim_id,issuer_org_id", f"{FIRST},none"], "a SIM always has an issuer"),
        (["sim_id,customer_org_id", f"{FIRST},Acme"], "neither an organisation's number nor none"),
    ],
)
def test_an_owner_that_can_not_be_meant_is_an_input_error(sit_down: MakeDesk, lines: list[str], words: str) -> None:
    desk = sit_down(Group(1))
    done = desk.run("plan", write(desk, *lines))
    assert done.code == 2
    assert words in done.out + done.err


def test_a_file_that_changes_owners_is_not_scheduled(sit_down: MakeDesk) -> None:
    desk = sit_down(Group(1))
    file = write(desk, "sim_id,customer_org_id,effective_at", f"{FIRST},42,2099-01-01")
    done = desk.run("schedule", "add", file)
    assert done.code == 2
    assert "--change-owners" in done.err
