"""`--where` as an operator uses it, at a carrier that shares nothing with the emulator."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simtandem.emulator.aeradmin.server import AerAdminEmulator
from tests.conftest import PrefectServer
from tests.end_to_end.aeris_desks import aeradmin_desk
from tests.end_to_end.operator_desk import COMMAND, Desk
from tests.end_to_end.tagged_carrier import TaggedCarrier

pytestmark = pytest.mark.timeout(300)
DEPOT = "tag = 'depot-7' and sim_status = 'Issued'"


@pytest.fixture
def carrier() -> Iterator[TaggedCarrier]:
    """SIMs 1 to 6 with endpoints 101 to 106, SIM 7 without: 1, 2 and 5 are of depot 7, and 5 was activated once."""
    tags: dict[int, str | None] = {
        1: "depot-7",
        2: "spare, depot-7",
        3: "depot-77",
        4: None,
        5: "depot-7",
        6: 'it\'s "x"',
    }
    sims: dict[int, dict[str, Any]] = {each: {"status": 0, "endpoint": 100 + each} for each in tags}
    sims[5] |= {"status": 1, "activated": "2025-12-01"}
    endpoints: dict[int, dict[str, Any]] = {
        100 + each: {"status": 0 if each == 5 else 1, "sim": each, "tags": tags[each]} for each in tags
    }
    with TaggedCarrier({**sims, 7: {"status": 1, "activated": "2025-12-02"}}, endpoints) as carrier:
        yield carrier


@pytest.fixture
def desk(carrier: TaggedCarrier, tmp_path: Path, prefect_server: PrefectServer) -> Desk:
    return Desk(tmp_path / "desk", carrier, prefect_server.home)


def selected(desk: Desk, where: str) -> list[str]:
    document = desk.run("plan", "--where", where, "--to", "suspended", "--accept-large", "--json").document()
    return [line.split(",")[0] for line in Path(document["files"]["selected"]).read_text().splitlines()[1:]]


def test_fields_of_both_listings_select(desk: Desk) -> None:
    assert selected(desk, "tag = 'depot-7'") == ["1", "2", "5"]
    assert selected(desk, "activation_date is not null") == ["5", "7"]
    assert selected(desk, "activation_date >= 2025-12-02 or tag = 'it''s \"x\"'") == ["6", "7"]
    assert selected(desk, "not tag in ('depot-7', 'depot-77') and service_profile = 'Data only'") == ["4", "6"]


def test_the_plan_of_a_selection_is_applied_by_its_digest_and_undone(desk: Desk, carrier: TaggedCarrier) -> None:
    planned = desk.run("plan", "--where", DEPOT, "--to", "activated")
    assert planned.code == 0
    assert f"Selected 2 of 6 devices listed where {DEPOT}: selected.csv." in planned.out
    command = planned.out.splitlines()[-1].removeprefix("  To apply this plan: simtandem ")
    assert command.startswith(f'apply --where "{DEPOT}" --to activated --plan ')
    assert [carrier.calls.count(f"GET /api/v1/{what}") for what in ("endpoint", "sim")] == [2, 0]

    digest = command.rpartition(" ")[2]
    carrier.endpoints[104]["tags"] = "depot-7"
    refused = desk.run("apply", "--where", DEPOT, "--to", "activated", "--plan", digest, "--yes")
    assert refused.code == 3
    assert desk.patches() == 0
    carrier.endpoints[104]["tags"] = None
    applied = desk.run("apply", "--where", DEPOT, "--to", "activated", "--plan", digest, "--yes", "--json").document()
    assert (applied["exit_code"], applied["verdicts"]["in_sync"], applied["digest"]) == (0, 2, digest)
    assert [carrier.sims[each]["status"] for each in (1, 2, 3, 5)] == [1, 1, 0, 1]
    again = desk.run("apply", "--where", DEPOT, "--to", "activated", "--yes")
    assert again.code == 0, "nothing is selected any more"
    assert "No device of 6 devices listed is selected" in again.err

    undone = desk.run("undo", applied["run_id"], "--issued-to", "suspended", "--yes", "--json").document()
    assert (undone["verdicts"]["in_sync"], "selection" in undone) == (2, False)
    assert [carrier.sims[each]["status"] for each in (1, 2)] == [2, 2]
    runs = json.loads(desk.run("runs", "--json").out)
    assert [(run["kind"], run["rows"], run["file"]) for run in runs if run["run_id"] == applied["run_id"]] == [
        ("apply", 2, "selected.csv")
    ]


@pytest.mark.parametrize("verb", ["plan", "rehearse"])
def test_what_is_selected_of_standard_input_is_planned_and_applied_as_a_list(
    desk: Desk, carrier: TaggedCarrier, verb: str
) -> None:
    words = [COMMAND, verb, "-", "--where", DEPOT, "--to", "activated", "--quiet"]
    done = subprocess.run(
        words, env=desk.variables, input="sim_id\n3\n2\n1\n", capture_output=True, text=True, timeout=100, check=True
    )
    _, said, command = done.stdout.partition("  To plan what was selected as a list of its own: simtandem ")
    assert said, "the list can't be read again, but what was selected of it can"
    planned = desk.run(*shlex.split(command))
    _, said, command = planned.out.partition("  To apply this plan: simtandem ")
    assert said
    assert desk.run(*shlex.split(command), "--yes").code == 0
    assert [carrier.sims[each]["status"] for each in (1, 2, 3)] == [1, 1, 0]


def test_what_is_selected_is_reconciled_without_a_list(desk: Desk) -> None:
    done = desk.run("reconcile", "--where", "tag = 'depot-7'", "--to", "activated", "--json").document()
    assert (done["exit_code"], done["selection"]["selected"]) == (1, 3)
    differing = [line.split(",") for line in Path(done["files"]["results"]).read_text().splitlines()[1:]]
    assert len(differing) == 3
    assert desk.patches() == 0


def test_it_is_rehearsed_from_the_same_list(desk: Desk) -> None:
    told = desk.run("rehearse", "--where", DEPOT, "--to", "activated", "--json").document()
    assert told["rehearsal"]["same_plan"]
    assert told["rehearsal"]["verdicts"]["in_sync"] == 2
    assert desk.patches() == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "activated"], "Give a device list (FILE), or select devices with --where"),
        (["--where", "", "--to", "activated"], "--where is empty"),
        (["--where", "tag = depot", "--to", "activated"], "a word needs quotes"),
        (["--where", "tag = 'a'"], "A selection names no status"),
    ],
)
def test_what_can_not_be_selected_is_said_in_a_sentence(desk: Desk, arguments: list[str], said: str) -> None:
    done = desk.run("plan", *arguments)
    assert done.code == 2
    assert said in done.err


def test_a_carrier_that_lists_nothing_says_so(tmp_path: Path) -> None:
    with AerAdminEmulator([]) as emulator:
        desk = aeradmin_desk(tmp_path, emulator, None)
        done = desk.run("plan", "--where", "sim_status = 'provisioned'", "--to", "suspended")
    assert done.code == 2
    assert "can't list a fleet" in done.err
    assert "Name them in a list (FILE) instead." in done.err
