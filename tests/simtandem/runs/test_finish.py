import json
from pathlib import Path

import polars as pl
import pytest

from schemas.statuses import EndpointStatus, SimStatus, Target
from simtandem import progress
from simtandem.errors import LedgerError
from simtandem.ledger.journal import CallWriter
from simtandem.ledger.records import RunKind, RunState
from simtandem.runs import finish
from simtandem.runs.apply import Applying
from tests.simtandem.emnify_lists import read_devices
from tests.simtandem.model_fleet import ModelFleet, device
from tests.simtandem.runs.acting_carrier import ActingCarrier, Refused, Silent
from tests.simtandem.runs.conftest import MakeRun, prepare
from tests.simtandem.runs.looking_again import LateCarrier, Notes, sent
from tests.simtandem.runs.sending import RUNNING, fleet_of, send_all, sims

FILES = {"plan.csv", "invalid.csv", "results.csv", "retry.csv", "report.html"}


class Pauses:
    """Sleeps without taking time."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


async def test_a_finished_run_leaves_every_file_record_and_count(make_run: MakeRun) -> None:
    run = make_run(sims(3))
    carrier = ActingCarrier(fleet_of(3))
    await sent(run, carrier)
    await finish.reconcile(run, carrier)
    told = finish.finish(run)
    assert {path.name for path in run.folder.path.iterdir() if path.is_file()} == FILES
    assert {Path(path).name for path in told["files"].values()} == FILES
    assert told["verdicts"]["in_sync"] == told["input"]["rows"] == 3
    assert told["outcomes"]["applied"] == told["plan"]["sim_changes"] + told["plan"]["endpoint_changes"] == 6
    assert told["exit_code"] == 0
    last = run.ledger.run(run.run_id)
    assert last.state is RunState.FINISHED
    assert last.detail["document"] == told
    assert run.folder.data("document.json") == told
    assert run.ledger.results(run.run_id)["verdict"].to_list() == ["in_sync"] * 3
    states = [each.state for each in run.ledger.states(run.run_id)]
    assert states == [RunState.PLANNED, RunState.APPLYING, RunState.RECONCILING, RunState.FINISHED]


async def test_counts_in_equal_counts_out(make_run: MakeRun) -> None:
    fleet = ModelFleet([*fleet_of(5).devices, device(6, SimStatus.FACTORY_TEST, EndpointStatus.ENABLED)])
    carrier = ActingCarrier(fleet, acts={"102": [Refused()], "3": [Silent()], "4": [Refused()]})
    lines = ["1,activated", "2,activated", "3,activated", "4,activated", "1,activated"]
    run = make_run("\n".join(["sim_id,status", *lines, "6,suspended", "99,activated", "x,activated", "5,bogus"]), None)
    await sent(run, carrier)
    await finish.reconcile(run, carrier, sleep=Pauses())
    told = finish.finish(run)
    plan = told["plan"]
    assert told["input"]["rows"] == sum(told["verdicts"].values()) == 9
    assert plan["sim_changes"] + plan["endpoint_changes"] == sum(told["outcomes"].values()) == 8
    assert told["verdicts"] == {
        "in_sync": 2,  # row 6 repeats row 2
        "changed_by_others": 0,
        "failed": 3,
        "unknown": 0,
        "refused": 2,
        "invalid": 2,
        "skipped": 0,
    }
    assert told["outcomes"] == {"applied": 3, "unchanged": 0, "refused": 2, "held": 2, "failed": 0, "unknown": 1}
    assert told["exit_code"] == 1
    assert run.ledger.results(run.run_id)["row"].to_list() == list(range(2, 11))


async def test_what_is_left_open_can_be_fed_back(make_run: MakeRun) -> None:
    carrier = ActingCarrier(fleet_of(3), acts={"102": [Refused()]})
    run = make_run(sims(3))
    await sent(run, carrier)
    await finish.reconcile(run, carrier)
    finish.finish(run)
    again = read_devices(run.folder.file("retry.csv"))
    assert again.devices.select("sim_id", "desired").rows() == [("2", "activated")]


async def test_a_second_run_of_the_same_file_sends_nothing(make_run: MakeRun) -> None:
    carrier = ActingCarrier(fleet_of(3))
    for run in (make_run(sims(3)), make_run(sims(3))):
        await sent(run, carrier)
        await finish.reconcile(run, carrier)
        told = finish.finish(run)
    assert len(carrier.sent) == 6
    assert len(carrier.reads) == 1, "where nothing was sent, the listing of the plan stands"
    assert told["verdicts"]["in_sync"] == 3
    assert told["plan"]["unchanged"] == 3
    assert told["exit_code"] == 0


async def test_what_does_not_show_yet_is_read_again_and_only_that(make_run: MakeRun) -> None:
    carrier = LateCarrier(fleet_of(3))
    carrier.late_for = 2
    run, pauses = make_run(sims(3)), Pauses()
    await sent(run, carrier)
    await finish.reconcile(run, carrier, sleep=pauses)
    assert pauses.taken == [1.0, 3.0]
    assert carrier.reads[1:] == [[("1", "101")], [("1", "101")]]
    assert finish.finish(run)["verdicts"]["in_sync"] == 3


async def test_what_never_shows_is_read_a_bounded_number_of_times(make_run: MakeRun) -> None:
    carrier = LateCarrier(fleet_of(3))
    carrier.late_for = 99
    run, pauses = make_run(sims(3)), Pauses()
    await sent(run, carrier)
    await finish.reconcile(run, carrier, sleep=pauses)
    assert pauses.taken == [1.0, 3.0, 6.0]
    assert len(carrier.reads) == 4
    told = finish.finish(run)
    assert (told["verdicts"]["in_sync"], told["verdicts"]["changed_by_others"]) == (2, 1)


async def test_a_step_known_to_have_failed_is_not_waited_for(make_run: MakeRun) -> None:
    carrier = ActingCarrier(fleet_of(2), acts={"102": [Refused()]})
    run, pauses = make_run(sims(2)), Pauses()
    await sent(run, carrier)
    await finish.reconcile(run, carrier, sleep=pauses)
    assert pauses.taken == []


async def test_a_carrier_that_can_not_be_read_leaves_devices_unknown(make_run: MakeRun) -> None:
    notes = Notes()
    progress.install(notes)
    carrier = ActingCarrier(fleet_of(2))
    run = make_run(sims(2))
    await sent(run, carrier)
    carrier.away = True
    await finish.reconcile(run, carrier)
    told = finish.finish(run)
    assert told["verdicts"]["unknown"] == 2
    assert told["outcomes"]["applied"] == 4
    assert told["exit_code"] == 1
    assert "could not be read afresh" in notes.told[0]


async def test_a_carrier_lost_while_reading_again_keeps_what_was_seen(make_run: MakeRun) -> None:
    carrier = LateCarrier(fleet_of(3))
    carrier.late_for = 99

    async def go_away(_: float) -> None:
        carrier.away = True

    run = make_run(sims(3))
    await sent(run, carrier)
    await finish.reconcile(run, carrier, sleep=go_away)
    assert finish.finish(run)["verdicts"]["in_sync"] == 2


async def test_a_run_is_looked_at_once(make_run: MakeRun) -> None:
    carrier = ActingCarrier(fleet_of(2))
    run = make_run(sims(2))
    await sent(run, carrier)
    await finish.reconcile(run, carrier)
    await finish.reconcile(run, carrier)
    assert len(carrier.reads) == 1


async def test_a_device_that_changed_its_pair_is_not_seen_twice(make_run: MakeRun) -> None:
    """The endpoint that moved on to another SIM must not stay behind as an old entry beside the new one."""
    carrier = ActingCarrier(fleet_of(2))
    run = make_run(sims(2))
    await sent(run, carrier)
    carrier.fleet.devices[0].endpoint_id = None
    carrier.fleet.devices[0].endpoint = None

    async def assign_again(_: float) -> None:
        carrier.fleet.devices[0].endpoint_id = "101"
        carrier.fleet.devices[0].endpoint = EndpointStatus.ENABLED

    await finish.reconcile(run, carrier, sleep=assign_again)
    after = run.folder.table("after.parquet")
    assert sorted(after["sim_id"]) == ["1", "2"]
    assert finish.finish(run)["verdicts"]["in_sync"] == 2


async def test_what_an_interrupted_run_did_is_counted_from_its_outcomes_and_is_the_same_everywhere(
    make_run: MakeRun,
) -> None:
    hooks = progress.ProgressHooks()
    progress.install(hooks)
    carrier = ActingCarrier(fleet_of(6))
    carrier.before_change = lambda ident: hooks.stop() if ident == "2" else None
    run = make_run(sims(6), batch_size=4, settings={"sim_concurrency": 1})
    await prepare(run, carrier)
    async with CallWriter(run.ledger, run.run_id) as journal:
        applying = Applying(run, carrier, journal)
        await send_all(applying)
    carrier.resume()
    await finish.reconcile(run, carrier)
    told = finish.finish(run, RunState.INTERRUPTED, stop=applying.stop)
    assert told["verdicts"] | {"in_sync": 2, "skipped": 4} == told["verdicts"]
    assert told["not_sent"] == {"half_done": 2, "not_begun": 2}
    assert (told["plan"]["newly_billed"], told["changed"]["newly_billed"]) == (6, 2)
    assert told["changed"] | {"devices": 4, "sims": 2, "endpoints": 4} == told["changed"]
    assert told["stopped"] == {"by": "operator", "why": ""}
    assert told["next"] == f"simtandem retry {run.run_id}"
    assert (told["exit_code"], told["carrier_host"]) == (130, run.settings.carrier_host)
    page = run.folder.file("report.html").read_text()
    assert "Stopped by you: 2 in sync, 2 partly changed, 2 not begun" in page
    assert f"{run.settings.carrier_host}" in page
    reasons = run.ledger.results(run.run_id).filter(pl.col("verdict") == "skipped")["reason"]
    assert reasons.str.starts_with("partly changed: the endpoint is changed, its SIM was not sent").sum() == 2


async def test_a_plan_judges_nothing_and_leaves_two_files(make_run: MakeRun) -> None:
    run = make_run("sim_id\n1\nx\n", kind=RunKind.PLAN)
    await prepare(run, ActingCarrier(fleet_of(1)))
    told = finish.finish(run)
    assert {path.name for path in run.folder.path.iterdir() if path.is_file()} == {"plan.csv", "invalid.csv"}
    assert run.ledger.results(run.run_id).is_empty()
    assert told["exit_code"] == 1, "a row is invalid"
    assert told["verdicts"] | {"skipped": 0, "invalid": 0} == dict.fromkeys(told["verdicts"], 0)


@pytest.mark.parametrize(("before", "code", "open_rows"), [(RUNNING, 0, 0), ((SimStatus.ISSUED, None), 1, 2)])
async def test_a_comparison_judges_by_the_listing_alone(
    make_run: MakeRun, before: tuple[SimStatus, EndpointStatus | None], code: int, open_rows: int
) -> None:
    run = make_run(sims(2), Target.ACTIVATED, kind=RunKind.RECONCILE)
    await prepare(run, ActingCarrier(fleet_of(2, *before)))
    told = finish.finish(run)
    assert told["exit_code"] == code
    assert run.ledger.results(run.run_id).height == 2
    assert run.folder.file("retry.csv").read_text(encoding="utf-8-sig").count("\n") == 1 + open_rows


@pytest.mark.parametrize("name", ["results.csv", "retry.csv", "report.html"])
async def test_a_file_that_can_not_be_written_is_told_in_an_operators_words(make_run: MakeRun, name: str) -> None:
    run = make_run(["1"])
    await sent(run, ActingCarrier(fleet_of(1)))
    run.folder.file(name).mkdir()
    with pytest.raises(LedgerError, match=name):
        finish.finish(run)


async def test_the_report_names_run_and_file(make_run: MakeRun) -> None:
    run = make_run(["1"])
    carrier = ActingCarrier(fleet_of(1))
    await sent(run, carrier)
    await finish.reconcile(run, carrier)
    finish.finish(run)
    html = run.folder.file("report.html").read_text()
    assert run.run_id in html
    assert "devices.csv" in html
    json.dumps(run.folder.data("document.json"))
