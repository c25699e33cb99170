"""What the carrier's events say of a run, against an emulated carrier: read once, kept, and told in its reports."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from schemas.parameters import ReportFormat
from schemas.statuses import Cause, EndpointStatus, SimStatus, Target
from schemas.tables import Explained
from simtandem.domain import attribution
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.errors import InputError
from simtandem.ledger import explanations
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.store import Ledger
from simtandem.runs import audit_report, change_evidence
from simtandem.runs.audit_report import export_run
from tests.simtandem.runs.emulated import Desk

AT_ONCE = timedelta(0)
FIRST = 11
FLEET = [
    Group(1, SimStatus.ISSUED, EndpointStatus.DISABLED, sim_id=sim, endpoint_id=sim + 100)
    for sim in range(FIRST, FIRST + 4)
]


@pytest.fixture(scope="module")
def carrier() -> Iterator[Emulator]:
    with Emulator(FLEET) as emulator:
        yield emulator


@pytest.fixture
def desk(carrier: Emulator, tmp_path: Path) -> Desk:
    carrier.reset()
    return Desk(carrier, tmp_path / "home")


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    desk.home.mkdir()
    with closing(Ledger.open(desk.settings.ledger())) as opened:
        yield opened


def activate(desk: Desk, **options: object) -> str:
    return str(desk.apply(dict.fromkeys(range(FIRST, FIRST + 4), Target.ACTIVATED), **options)["run_id"])


def explain(desk: Desk, ledger: Ledger, run_id: str) -> dict[str, int]:
    return asyncio.run(change_evidence.explain_run(ledger, desk.settings, run_id, lag=AT_ONCE))


def test_every_change_of_a_run_is_matched_with_its_event(desk: Desk, ledger: Ledger) -> None:
    run_id = activate(desk)
    before = desk.emulator.stats()["calls"]
    causes = explain(desk, ledger, run_id)

    assert causes == {**dict.fromkeys(Cause, 0), Cause.OURS: 8}
    assert desk.emulator.stats()["calls"] == before + 2, "a token, and a page of events"
    found = explanations.of_run(ledger, run_id)
    assert found is not None
    changes = Explained.validate(found.changes)
    assert changes["event_id"].n_unique() == 8
    assert changes["event_id"].null_count() == 0
    assert changes["run_id"].unique().to_list() == [run_id]


def test_what_others_did_meanwhile_is_told_apart(desk: Desk, ledger: Ledger) -> None:
    fleet = desk.emulator.fleet

    def meanwhile() -> None:
        desk.emulator.change(lambda _: fleet.drift_sim(FIRST, SimStatus.SUSPENDED))

    run_id = activate(desk, meanwhile=meanwhile)
    causes = explain(desk, ledger, run_id)

    assert (causes[Cause.OURS], causes[Cause.SOMEBODY]) == (8, 1)
    found = explanations.of_run(ledger, run_id)
    assert found is not None
    [other] = found.changes.filter(found.changes["cause"] == Cause.SOMEBODY).to_dicts()
    assert (other["sim_id"], other["before"], other["after"]) == (str(FIRST), "Activated", "Suspended")


def test_a_change_without_an_event_is_awaited_and_then_unexplained(desk: Desk, ledger: Ledger) -> None:
    fleet = desk.emulator.fleet

    def in_silence() -> None:
        desk.emulator.change(lambda _: setattr(fleet.sims[FIRST], "status", SimStatus.SUSPENDED))

    run_id = activate(desk, meanwhile=in_silence)
    early = asyncio.run(change_evidence.explain_run(ledger, desk.settings, run_id))
    assert early[Cause.AWAITED] == 1
    assert explain(desk, ledger, run_id)[Cause.UNEXPLAINED] == 1


def test_the_newest_reading_counts_and_earlier_ones_stay(desk: Desk, ledger: Ledger) -> None:
    run_id = activate(desk)
    explain(desk, ledger, run_id)
    explain(desk, ledger, run_id)

    readings = [run for run in ledger.runs() if run.record.kind is RunKind.EVENTS]
    assert [run.record.parameters["of"] for run in readings] == [run_id, run_id]
    newest = explanations.of_run(ledger, run_id)
    assert newest is not None
    assert newest.read_at == readings[0].at


def test_runs_are_explained_once_and_only_when_their_events_have_come(desk: Desk, ledger: Ledger) -> None:
    run_id = activate(desk)
    desk.apply({FIRST: Target.ACTIVATED})  # changes nothing, so there is nothing to explain
    assert change_evidence.runs_to_explain(ledger, desk.settings) == []
    assert change_evidence.runs_to_explain(ledger, desk.settings, lag=AT_ONCE) == [run_id]

    explain(desk, ledger, run_id)
    assert change_evidence.runs_to_explain(ledger, desk.settings, lag=AT_ONCE) == []
    elsewhere = desk.settings.model_copy(update={"emnify_url": "https://elsewhere.example"})
    assert change_evidence.runs_to_explain(ledger, elsewhere, lag=AT_ONCE) == []


def test_a_run_that_only_planned_or_was_elsewhere_has_nothing_to_explain(desk: Desk, ledger: Ledger) -> None:
    planned = activate(desk, mode="plan")
    with pytest.raises(InputError, match="no changes that events could explain"):
        explain(desk, ledger, planned)
    applied = activate(desk)
    elsewhere = desk.settings.model_copy(update={"emnify_url": "https://elsewhere.example"})
    with pytest.raises(InputError, match=r"settings name elsewhere\.example"):
        asyncio.run(change_evidence.explain_run(ledger, elsewhere, applied))
    assert [run for run in ledger.runs() if run.record.kind is RunKind.EVENTS] == []


def test_a_carrier_that_gives_no_events_stops_nothing_and_leaves_the_run_open(desk: Desk, ledger: Ledger) -> None:
    run_id = activate(desk)
    refused = desk.settings.model_copy(update={"emnify_token": SecretStr("not-the-token")})
    assert asyncio.run(change_evidence.explain_runs(ledger, refused, lag=AT_ONCE)) == 0

    [failed] = [run for run in ledger.runs() if run.record.kind is RunKind.EVENTS]
    assert failed.state is RunState.FAILED
    assert asyncio.run(change_evidence.explain_runs(ledger, desk.settings, lag=AT_ONCE)) == 1
    assert explanations.of_run(ledger, run_id) is not None


def test_every_report_has_the_same_attributions(desk: Desk, ledger: Ledger) -> None:
    run_id = activate(desk)
    assert "events have not been read" in (desk.home / "runs" / run_id / "report.html").read_text()
    explain(desk, ledger, run_id)

    told = json.loads(export_run(ledger, desk.settings, run_id, ReportFormat.JSON).read_text())
    assert [line["cause"] for line in told["changes"]] == [Cause.OURS] * 8
    [numbers] = told["runs"]
    assert (numbers["cause_ours"], numbers["cause_somebody"]) == (8, 0)
    page = desk.home / "runs" / run_id / "report.html"
    page.unlink()
    day = ledger.run(run_id).record.started_at.date()
    audit_report.export_period(ledger, desk.settings, day, day, [ReportFormat.HTML])
    assert 'data-key="causes.ours" data-value="8"' in page.read_text()
    assert "Nothing else changed these devices during the run." in page.read_text()


def test_a_window_never_reaches_back_further_than_events_are_kept() -> None:
    assert timedelta(minutes=15) <= attribution.EVENT_LAG < attribution.EVENTS_KEPT == timedelta(days=30)
