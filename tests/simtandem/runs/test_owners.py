"""Whole runs that change owners, against an emulated carrier."""

import asyncio
import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.parameters import BulkUpdate, Mode
from schemas.statuses import EndpointStatus, SimStatus, Target
from simtandem.cli import retry
from simtandem.emulator.devices import OWN_ORGANISATION
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.ledger.records import RunKind
from simtandem.ledger.store import Ledger
from simtandem.reports.run_document import Document
from simtandem.runs import pipeline
from simtandem.runs.run import AskedOn, Run
from tests.simtandem.emnify_lists import read_devices
from tests.simtandem.runs.emulated import Desk

FRESH, RUNNING, RESTING, LONE = 11, 12, 13, 14
OFFSET = 100
"""The endpoint of SIM 11 is endpoint 111; SIM 14 has none."""
OWN = OWN_ORGANISATION
ON, OFF = EndpointStatus.ENABLED, EndpointStatus.DISABLED
FLEET = [
    Group(sim=SimStatus.ISSUED, endpoint=OFF, sim_id=FRESH, endpoint_id=FRESH + OFFSET),
    Group(sim=SimStatus.ACTIVATED, endpoint=ON, sim_id=RUNNING, endpoint_id=RUNNING + OFFSET),
    Group(sim=SimStatus.SUSPENDED, endpoint=OFF, sim_id=RESTING, endpoint_id=RESTING + OFFSET),
    Group(sim=SimStatus.SUSPENDED, endpoint=None, sim_id=LONE),
]
HEADER = "sim_id,status,customer_org_id,reseller_org_id"
ALL = (HEADER, f"{FRESH},activated,42,", f"{RUNNING},suspended,42,7", f"{RESTING},,none,", f"{LONE},,,7")
OWNER_COLUMNS = ["customer_org_id", "reseller_org_id", "issuer_org_id", "owners_before", "owners_after"]


@pytest.fixture(scope="module")
def carrier() -> Iterator[Emulator]:
    with Emulator(FLEET, path_limits=False) as emulator:
        yield emulator


@pytest.fixture
def desk(carrier: Emulator, tmp_path: Path) -> Desk:
    carrier.reset()
    return Desk(carrier, tmp_path / "home")


def apply(desk: Desk, *lines: str, **options: Any) -> Mapping[str, Any]:
    return desk.request(desk.file(*lines), **{"change_owners": True, **options})


def sim(desk: Desk, ident: int) -> tuple[SimStatus, int | None, int | None]:
    """Status, customer and reseller of a SIM."""
    one = desk.emulator.fleet.sims[ident]
    return one.status, one.customer_org, one.reseller_org


def bodies(desk: Desk, run_id: str) -> list[object]:
    """What was sent to SIMs."""
    with closing(Ledger.open(desk.settings.ledger())) as ledger:
        calls = ledger.calls(run_id).filter(pl.col("path").str.contains("/sim/") & (pl.col("purpose") == "change"))
    return [json.loads(body) for body in calls["body"]]


def table(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def sent(desk: Desk) -> int:
    return sum(count for route, count in desk.emulator.stats()["by_route"].items() if route.startswith("PATCH"))


def look(desk: Desk, kind: RunKind, *lines: str) -> Document:
    """A run that sends nothing: its document."""
    run = Run.begin(BulkUpdate(file=desk.file(*lines), mode=Mode.PLAN), kind, desk.settings, asked_on=AskedOn.TERMINAL)
    try:
        return asyncio.run(pipeline.compare(run))
    finally:
        run.close()


def test_activation_suspension_and_owners_alone_are_one_call_a_sim(desk: Desk) -> None:
    run = apply(desk, *ALL)
    assert run["exit_code"] == 0
    assert sim(desk, FRESH) == (SimStatus.ACTIVATED, 42, None)
    assert sim(desk, RUNNING) == (SimStatus.SUSPENDED, 42, 7)
    assert sim(desk, RESTING) == (SimStatus.SUSPENDED, None, None)
    assert sim(desk, LONE) == (SimStatus.SUSPENDED, OWN, 7)
    assert desk.emulator.fleet.endpoints[FRESH + OFFSET].status is ON
    assert desk.emulator.fleet.endpoints[RUNNING + OFFSET].status is OFF
    assert (run["plan"]["owner_changes"], run["plan"]["sim_changes"], run["plan"]["newly_billed"]) == (4, 4, 1)
    assert sorted(map(json.dumps, bodies(desk, run["run_id"]))) == sorted(
        map(
            json.dumps,
            [
                {"status": {"id": 1}, "customer_org": {"id": 42}},
                {"status": {"id": 2}, "customer_org": {"id": 42}, "reseller_org": {"id": 7}},
                {"customer_org": {"id": None}},
                {"reseller_org": {"id": 7}},
            ],
        )
    )
    stats = desk.emulator.stats()
    assert (stats["needless_owners"], stats["needless_sim_patches"], stats["pair_violations"]) == (0, 0, 0)


def test_a_second_run_sends_nothing(desk: Desk) -> None:
    apply(desk, *ALL)
    before = sent(desk)
    again = apply(desk, *ALL, change_owners=False)  # nothing changes an owner, so nobody has to allow it
    assert (again["exit_code"], again["plan"]["unchanged"], sent(desk)) == (0, 4, before)


def test_only_the_owners_that_differ_are_changed(desk: Desk) -> None:
    apply(desk, "sim_id,customer_org_id", f"{RESTING},42")
    run = apply(desk, "sim_id,customer_org_id,issuer_org_id", f"{RESTING},42,{OWN}", f"{LONE},42,{OWN}")
    assert bodies(desk, run["run_id"]) == [{"customer_org": {"id": 42}}]
    assert desk.emulator.stats()["needless_owners"] == 0


def test_without_the_word_for_it_nothing_is_sent(desk: Desk) -> None:
    refused = apply(desk, *ALL, change_owners=False, accept_large=True)
    assert refused["exit_code"] == 3
    assert refused["verdicts"]["skipped"] == 4
    assert sent(desk) == 0
    objection = look(desk, RunKind.PLAN, *ALL)["refusal"]
    assert "4 SIMs would change their owner" in objection
    assert objection.endswith("run again with --change-owners.")


def test_a_plan_names_the_steps_and_whose_sims_are(desk: Desk) -> None:
    told = look(desk, RunKind.PLAN, *ALL)
    plan = {line["sim_id"]: line for line in table(told["files"]["plan"])}
    assert plan[str(FRESH)]["steps"] == "endpoint Enabled, then SIM Activated with customer_org_id=42"
    assert plan[str(RESTING)]["steps"] == "SIM customer_org_id=none"
    assert plan[str(LONE)]["owners_before"] == "reseller_org_id=none"
    assert plan[str(LONE)]["owners_after"] == "reseller_org_id=7"


def test_results_have_the_owners_only_where_some_were_asked_for(desk: Desk) -> None:
    results = table(apply(desk, *ALL)["files"]["results"])
    assert list(results[0])[-5:] == OWNER_COLUMNS
    assert [results[1][name] for name in OWNER_COLUMNS] == [
        *("42", "7", ""),
        f"customer_org_id={OWN}, reseller_org_id=none",
        "customer_org_id=42, reseller_org_id=7",
    ]
    other = apply(desk, "sim_id,status", f"{RESTING},activated")
    for name in ("plan", "results", "retry"):
        header = Path(other["files"][name]).read_text(encoding="utf-8-sig").splitlines()[0]
        assert not set(OWNER_COLUMNS) & set(header.split(","))


# What goes wrong


def test_what_a_run_left_open_can_be_fed_back_and_retried(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", f"/sim/{RESTING}$", status=403))
    first = apply(desk, *ALL)
    assert (first["exit_code"], first["verdicts"]["failed"]) == (1, 1)
    assert [(line["sim_id"], line["status"], line["customer_org_id"]) for line in table(first["files"]["retry"])] == [
        (str(RESTING), "", "none")
    ]
    desk.emulator.inject()
    monkeypatch.setenv("SIMTANDEM_HOME", str(desk.home))
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", desk.emulator.url)
    _, file = retry.open_rows(first["run_id"])
    refused = desk.request(str(file), retry_of=first["run_id"])
    assert refused["exit_code"] == 3, "a retry asks for the word again"
    retried = desk.request(str(file), retry_of=first["run_id"], change_owners=True)
    assert (retried["exit_code"], retried["input"]["rows"]) == (0, 1)
    assert sim(desk, RESTING) == (SimStatus.SUSPENDED, None, None)


@pytest.mark.parametrize("processed", [True, False])
def test_unanswered_changes_are_read_back_and_not_repeated(desk: Desk, processed: bool) -> None:
    desk.emulator.inject(FaultRule(FaultKind.CLOSE, "PATCH", "/sim/", processed=processed, times=3))
    assert apply(desk, *ALL)["exit_code"] == 0
    stats = desk.emulator.stats()
    assert (stats["needless_owners"], stats["needless_sim_patches"]) == (0, 0)
    assert sim(desk, RUNNING) == (SimStatus.SUSPENDED, 42, 7)


def test_a_run_that_was_killed_after_sending_leaves_nothing_to_send(desk: Desk) -> None:
    apply(desk, *ALL, stop_before_reconciling=True)
    before = sent(desk)
    again = apply(desk, *ALL)
    assert (again["exit_code"], sent(desk)) == (0, before)


def test_a_run_that_was_killed_before_sending_is_gone_on_with(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = apply(desk, *ALL, killed_when_sending=True)
    monkeypatch.setenv("SIMTANDEM_HOME", str(desk.home))
    monkeypatch.setenv("SIMTANDEM_EMNIFY_URL", desk.emulator.url)
    _, file = retry.open_rows(killed["run_id"])
    done = desk.request(str(file), retry_of=killed["run_id"], change_owners=True)
    assert (done["exit_code"], done["plan"]["owner_changes"]) == (0, 4)
    assert sim(desk, LONE) == (SimStatus.SUSPENDED, OWN, 7)


def test_an_organisation_that_may_not_do_it_changes_nothing_and_is_told_why(desk: Desk) -> None:
    desk.emulator.configure(role="reseller")
    run = apply(desk, *ALL)
    results = {line["sim_id"]: line for line in table(run["files"]["results"])}
    assert [results[str(ident)]["verdict"] for ident in (FRESH, RUNNING, RESTING, LONE)] == [
        "failed",
        "failed",
        "in_sync",
        "in_sync",
    ]
    assert "its reseller only reseller_org_id and customer_org_id" in results[str(RUNNING)]["reason"]
    assert desk.emulator.fleet.endpoints[FRESH + OFFSET].status is OFF, "put back: its SIM did not follow"
    assert desk.emulator.fleet.endpoints[RUNNING + OFFSET].status is ON
    assert desk.emulator.stats()["pair_violations"] == 0


def test_somebody_else_who_changes_the_owner_after_the_call_is_told(desk: Desk) -> None:
    def take(ident: int) -> None:
        desk.emulator.change(lambda fleet: setattr(fleet.sim(ident), "customer_org", 77))

    run = apply(desk, *ALL, meanwhile=lambda: take(RUNNING))
    assert run["exit_code"] == 1
    assert run["verdicts"] == {**dict.fromkeys(run["verdicts"], 0), "in_sync": 3, "changed_by_others": 1}
    (line,) = [line for line in table(run["files"]["results"]) if line["verdict"] == "changed_by_others"]
    assert line["owners_after"] == "customer_org_id=77, reseller_org_id=7"
    assert "customer_org_id=77" in line["reason"]


def test_what_shows_at_once_is_looked_at_once(desk: Desk) -> None:
    looks: list[int] = []

    def count() -> None:
        looks.append(desk.emulator.stats()["by_route"]["GET /api/v1/endpoint"])

    apply(desk, *ALL, meanwhile=count)
    count()
    assert looks[1] - looks[0] == 1


def test_a_later_look_shows_what_differs(desk: Desk) -> None:
    apply(desk, *ALL)
    same = look(desk, RunKind.RECONCILE, *ALL)
    assert same["exit_code"] == 0
    desk.emulator.change(lambda fleet: setattr(fleet.sim(LONE), "reseller_org", None))
    told = look(desk, RunKind.RECONCILE, *ALL)
    assert (told["exit_code"], told["verdicts"]["in_sync"]) == (1, 3)
    (line,) = [line for line in table(told["files"]["results"]) if line["verdict"] != "in_sync"]
    assert (line["sim_id"], line["reseller_org_id"], line["customer_org_id"]) == (str(LONE), "7", "")
    assert line["owners_after"] == "reseller_org_id=none"
    again = read_devices(Path(told["files"]["results"]))
    assert again.devices["owners"].to_list() == read_devices(Path(desk.file(*ALL))).devices["owners"].to_list()


# Undoing


def test_an_undo_puts_owners_back_where_it_can(desk: Desk) -> None:
    run = apply(desk, *ALL)
    refused = desk.undo(run["run_id"])
    assert refused["exit_code"] == 3, "an undo of owners changes owners"
    undone = desk.undo(run["run_id"], change_owners=True)
    assert sim(desk, RUNNING) == (SimStatus.ACTIVATED, OWN, None)
    assert sim(desk, RESTING) == (SimStatus.SUSPENDED, OWN, None)
    assert sim(desk, LONE) == (SimStatus.SUSPENDED, OWN, None)
    assert sim(desk, FRESH) == (SimStatus.ACTIVATED, 42, None), "nothing goes back to Issued"
    assert (undone["exit_code"], undone["verdicts"]["in_sync"], undone["verdicts"]["refused"]) == (1, 3, 1)
    assert desk.emulator.stats()["needless_owners"] == 0


def test_an_undo_leaves_owners_alone_that_somebody_changed_since(desk: Desk) -> None:
    run = apply(desk, *ALL)
    desk.emulator.change(lambda fleet: setattr(fleet.sim(RESTING), "customer_org", 77))
    undone = desk.undo(run["run_id"], change_owners=True)
    assert sim(desk, RESTING) == (SimStatus.SUSPENDED, 77, None)
    assert sim(desk, LONE) == (SimStatus.SUSPENDED, OWN, None)
    (line,) = [line for line in table(undone["files"]["results"]) if line["sim_id"] == str(RESTING)]
    assert line["verdict"] == "refused"
    assert "customer_org_id=77 now, and the run left it Suspended+Disabled, customer_org_id=none" in line["reason"]
    assert str(RESTING) not in {line["sim_id"] for line in table(undone["files"]["undo"])}


def test_undoing_an_undo_changes_the_owners_again(desk: Desk) -> None:
    run = apply(desk, HEADER, f"{RESTING},,42,7")
    undone = desk.undo(run["run_id"], change_owners=True)
    assert desk.undo(undone["run_id"], change_owners=True)["exit_code"] == 0
    assert sim(desk, RESTING) == (SimStatus.SUSPENDED, 42, 7)


def test_a_target_for_all_rows_is_planned_with_each_rows_owner(desk: Desk) -> None:
    run = apply(desk, "sim_id,customer_org_id", f"{RUNNING},42", f"{RESTING},", to=Target.SUSPENDED)
    assert run["exit_code"] == 0
    assert sim(desk, RUNNING) == (SimStatus.SUSPENDED, 42, None)
    assert run["plan"]["unchanged"] == 1
