"""Audits of a real fleet on the emulator: found, explained, repaired, and clean afterwards."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.parameters import BulkUpdate, Mode
from schemas.statuses import Cause, EndpointStatus, Finding, SimStatus, Target
from schemas.tables import Explained, Findings, Inventory
from simtandem.carriers.base import Carrier, Listing
from simtandem.emulator.server import Emulator, Group
from simtandem.errors import AuthenticationFailed, CarrierRefused, CarrierUnavailable
from simtandem.intake import read_devices
from simtandem.job import applying, audit_files, auditing, closing, preparing
from simtandem.job.run import Run, RunFolder
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings

ACTIVATED, SUSPENDED, TEST, ISSUED = (
    SimStatus.ACTIVATED, SimStatus.SUSPENDED, SimStatus.FACTORY_TEST, SimStatus.ISSUED
)  # fmt: skip
ENABLED, DISABLED = EndpointStatus.ENABLED, EndpointStatus.DISABLED
FLEET = (
    Group(30, ACTIVATED, ENABLED),  # SIMs 10000001 to 10000030
    Group(20, ISSUED, DISABLED),  # to 10000050
    Group(4, ACTIVATED, DISABLED),  # to 10000054: paying but off
    Group(3, SUSPENDED, ENABLED),  # to 10000057: on but dead
    Group(2, ACTIVATED, None),  # 10000058 and 59: paying for nothing; endpoints are one number ahead from here on
    Group(2, None, DISABLED),  # endpoints 20000058 and 59: can never work
    Group(3, TEST, ENABLED),  # SIMs to 10000062, endpoints to 20000062
)
FIRST_ISSUED = 10_000_031


@pytest.fixture
def carrier() -> Iterator[Emulator]:
    with Emulator(FLEET, path_limits=False) as emulator:
        yield emulator


@pytest.fixture
def settings(carrier: Emulator, home: Path) -> Settings:
    return Settings(
        home=home,
        emnify_url=carrier.url,
        emnify_token=carrier.token,  # type: ignore[arg-type]  # pydantic hides it
        calls=100_000,
        monthly_rate="0.45",  # type: ignore[arg-type]  # as from the environment
        currency="EUR",
    )


class TightLipped:
    """A carrier that shows its fleet, but no events."""

    def __init__(self, carrier: Carrier, error: Exception) -> None:
        self._carrier, self._error = carrier, error

    async def list_fleet(self) -> Listing:
        return await self._carrier.list_fleet()

    async def events(self, *_: object) -> pl.DataFrame:
        raise self._error


class Audited:
    """A finished audit, read back."""

    def __init__(self, document: dict[str, Any], settings: Settings) -> None:
        self.document = document
        self.counts: dict[str, int] = {name: count for name, count in document["findings"].items() if count}
        self.files = {name: Path(path) for name, path in document["files"].items()}
        self.folder = RunFolder(settings.runs_folder / document["run_id"])
        self.told = self.folder.data("told.json")
        self.findings = Findings.validate(self.folder.table("findings.parquet"))
        self.explained = Explained.validate(self.folder.table("explained.parquet"))

    def causes(self) -> dict[tuple[str, str], str]:
        """The cause of each change, by half and id."""
        return {(half, ident): cause for half, ident, cause in self.explained.select("half", "ident", "cause").rows()}


Auditor = Callable[..., Any]


@pytest.fixture
def audit(settings: Settings) -> Auditor:
    async def run(
        *, event_lag: timedelta | None = None, wrap: Callable[[Carrier], Any] = lambda each: each, **changed: object
    ) -> Audited:
        own = settings.model_copy(update=changed)
        with auditing.auditing_of(own) as one:
            if event_lag is not None:
                one.event_lag = event_lag
            async with one.carrier() as carrier:
                await auditing.list_fleet(one, wrap(carrier))
                await auditing.explain_changes(one, wrap(carrier))
            return Audited(audit_files.finish(one, auditing.judge(one)), own)

    return run


async def at_once(_seconds: float) -> None:
    """No waiting for stragglers."""


async def apply(
    file: Path, settings: Settings, to: Target | None = None, between: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Plan and apply a file; `between` happens after the first batch."""
    request = BulkUpdate(file=str(file), to=to, mode=Mode.APPLY, batch_size=5, accept_large=True)
    run = Run.begin(request, RunKind.APPLY, settings)
    try:
        async with run.carrier() as (carrier, journal):
            preparing.read_devices(run)
            await preparing.list_inventory(run, carrier)
            preparing.plan_changes(run)
            await preparing.check_safety(run, carrier)
            sending = applying.Applying(run, carrier, journal)
            for number, work in enumerate(sending.batches()):
                if number == 1:
                    between()
                await sending.apply_first_half(work)
                await sending.apply_second_half(work)
                await sending.finish(work)
            await closing.reconcile(run, carrier, sleep=at_once)
        return closing.finish(run)
    finally:
        run.close()


def csv(path: Path, sims: range | list[int]) -> Path:
    path.write_text("\n".join(["sim_id", *map(str, sims)]) + "\n")
    return path


async def test_every_kind_of_split_pair_is_found_with_its_cost(audit: Auditor, carrier: Emulator) -> None:
    first = await audit()

    assert {key: first.document[key] for key in ("sims", "endpoints")} == {"sims": 62, "endpoints": 62}
    assert first.document["findings"] == {
        "paying_but_off": 4,
        "on_but_dead": 3,
        "sim_without_endpoint": 2,
        "endpoint_without_sim": 2,
        "factory_test": 3,
        "drifted": 0,
    }
    assert audit_files.exit_code(first.document) == 1
    assert (first.told["cost"]["sims"], first.told["cost"]["per_month"]) == (6, "2.70")
    assert (first.told["trend"], first.told["never_managed"], first.told["whole"]) == (None, 62, True)
    assert first.explained.is_empty()
    assert set(carrier.stats()["by_route"]) == {
        "GET /api/v1/endpoint", "GET /api/v1/sim", "GET /api/v1/event", "POST /api/v1/authenticate"
    }  # fmt: skip


async def test_the_repair_files_fix_what_a_status_can_fix(
    audit: Auditor, settings: Settings, carrier: Emulator
) -> None:
    first = await audit()
    repairs = {name: path for name, path in first.files.items() if name.startswith("repair-")}
    assert set(repairs) == {"repair-paying_but_off", "repair-on_but_dead", "repair-sim_without_endpoint"}

    for path in repairs.values():
        document = await apply(path, settings)
        assert document["input"]["rejected"] == document["plan"]["refused"] == document["plan"]["newly_billed"] == 0
        assert document["verdicts"]["in_sync"] == document["input"]["rows"]
    second = await audit()

    assert second.counts == {"endpoint_without_sim": 2, "factory_test": 3}
    assert second.told["trend"] == {
        "paying_but_off": -4,
        "on_but_dead": -3,
        "sim_without_endpoint": -2,
        "endpoint_without_sim": 0,
        "factory_test": 0,
        "drifted": 0,
    }
    assert set(second.explained["cause"]) == {Cause.OURS}
    assert second.told["cost"]["per_month"] == "0.00"
    assert not any(name.startswith("repair-") for name in second.files)
    assert carrier.fleet.pair_violations == []


async def test_what_others_did_in_the_middle_of_a_run_is_found_explained_and_put_right(
    audit: Auditor, settings: Settings, carrier: Emulator, tmp_path: Path
) -> None:
    issued = range(FIRST_ISSUED, FIRST_ISSUED + 20)
    await audit()

    def somebody() -> None:
        carrier.change(lambda fleet: fleet.drift_sim(FIRST_ISSUED, SUSPENDED))  # was activated by the first batch
        carrier.change(lambda fleet: fleet.drift_endpoint(FIRST_ISSUED + 10_000_001, DISABLED))
        carrier.change(lambda fleet: fleet.drift_volume_reached(10_000_060))

    document = await apply(csv(tmp_path / "on.csv", issued), settings, Target.ACTIVATED, somebody)
    second = await audit()

    assert document["verdicts"]["changed_by_others"] == 2
    assert second.counts == {
        "paying_but_off": 5, "on_but_dead": 4, "sim_without_endpoint": 2, "endpoint_without_sim": 2,
        "factory_test": 2, "drifted": 2,
    }  # fmt: skip
    causes = second.causes()
    assert causes.pop(("sim", "10000031")) == Cause.SOMEBODY
    assert causes.pop(("endpoint", "20000032")) == Cause.SOMEBODY
    assert causes.pop(("sim", "10000060")) == Cause.AUTOMATIC
    assert set(causes.values()) == {Cause.OURS}
    assert len(causes) == 2 * 20 - 2
    ours = second.explained.filter(pl.col("ident") == "10000040").row(0, named=True)
    assert (ours["run_id"], ours["row"]) == (document["run_id"], 11)
    drifted = second.findings.filter(pl.col("finding") == Finding.DRIFTED).select("sim_id", "known_from", "explanation")
    assert drifted.rows()[0][:2] == ("10000031", "an event")
    assert "SIM Activated to Suspended: by API or Portal at " in drifted.rows()[0][2]

    for name in ("drifted", "paying_but_off", "on_but_dead", "sim_without_endpoint"):
        await apply(second.files[f"repair-{name}"], settings)
    third = await audit()

    assert third.counts == {"endpoint_without_sim": 2, "factory_test": 2}
    assert third.told["never_managed"] == 62 - 20 - 4 - 3 - 2


async def test_events_are_read_only_for_what_our_own_record_does_not_explain(
    audit: Auditor, settings: Settings, carrier: Emulator, tmp_path: Path
) -> None:
    await audit()
    await apply(csv(tmp_path / "on.csv", range(FIRST_ISSUED, FIRST_ISSUED + 20)), settings, Target.ACTIVATED)
    before = carrier.stats()["by_route"]["GET /api/v1/event"]
    second = await audit()

    assert carrier.stats()["by_route"]["GET /api/v1/event"] == before
    assert second.told["causes"]["ours"] == 40


async def test_a_change_without_an_event_is_unexplained_only_after_the_lag(
    audit: Auditor, settings: Settings, carrier: Emulator, tmp_path: Path
) -> None:
    await apply(csv(tmp_path / "on.csv", [FIRST_ISSUED]), settings, Target.ACTIVATED)

    def silently(fleet: Any) -> None:
        fleet.drift_sim(FIRST_ISSUED, SUSPENDED)
        fleet.events.pop()

    carrier.change(silently)
    early = await audit()
    late = await audit(event_lag=timedelta(0))

    assert early.causes() == {("sim", str(FIRST_ISSUED)): Cause.AWAITED}
    assert late.causes() == {("sim", str(FIRST_ISSUED)): Cause.UNEXPLAINED}
    assert late.explained["seen"].to_list() == early.explained["seen"].to_list()
    assert (early.counts["drifted"], late.counts["drifted"]) == (1, 1)


async def test_a_change_of_a_device_we_never_managed_is_asked_about_until_there_is_an_answer(
    audit: Auditor, carrier: Emulator
) -> None:
    await audit()
    kept: list[Any] = []

    def late(fleet: Any) -> None:
        fleet.drift_sim(10_000_001, SUSPENDED)
        kept.append(fleet.events.pop())

    carrier.change(late)
    early = await audit()
    carrier.change(lambda fleet: fleet.events.append(kept[0]))
    later = await audit()

    assert early.causes() == {("sim", "10000001"): Cause.AWAITED}
    assert later.causes() == {("sim", "10000001"): Cause.SOMEBODY}


async def test_an_explanation_outlives_the_carriers_memory(
    audit: Auditor, settings: Settings, carrier: Emulator, tmp_path: Path
) -> None:
    await apply(csv(tmp_path / "on.csv", [FIRST_ISSUED]), settings, Target.ACTIVATED)
    carrier.change(lambda fleet: fleet.drift_sim(FIRST_ISSUED, SUSPENDED))
    first = await audit()
    carrier.change(lambda fleet: fleet.events.clear())
    second = await audit()

    assert first.causes() == second.causes() == {("sim", str(FIRST_ISSUED)): Cause.SOMEBODY}
    drift = [
        one.findings.filter(pl.col("finding") == "drifted").select("since", "known_from") for one in (first, second)
    ]
    assert drift[0].equals(drift[1])
    assert second.told["trend"]["drifted"] == 0


@pytest.mark.parametrize("error", [CarrierRefused("403"), CarrierUnavailable("503")])
async def test_a_carrier_that_will_not_show_events_stops_nothing(
    audit: Auditor, settings: Settings, carrier: Emulator, tmp_path: Path, error: Exception
) -> None:
    await apply(csv(tmp_path / "on.csv", [FIRST_ISSUED]), settings, Target.ACTIVATED)
    carrier.change(lambda fleet: fleet.drift_sim(FIRST_ISSUED, SUSPENDED))
    one = await audit(wrap=partial(TightLipped, error=error))

    assert one.causes() == {("sim", str(FIRST_ISSUED)): Cause.AWAITED}
    assert one.counts["drifted"] == 1
    assert "could not be read" in one.explained["explanation"][0]
    assert one.counts["factory_test"] == 3


async def test_how_long_a_test_lasts_comes_from_the_ledger_or_from_an_event(
    audit: Auditor, settings: Settings, carrier: Emulator, tmp_path: Path
) -> None:
    await apply(csv(tmp_path / "test.csv", [FIRST_ISSUED]), settings, Target.FACTORY_TEST)
    carrier.change(lambda fleet: fleet.drift_sim(FIRST_ISSUED + 1, TEST))
    one = await audit()

    tests = one.findings.filter(pl.col("finding") == Finding.FACTORY_TEST)
    assert dict(tests.select("sim_id", "known_from").rows()) == {
        str(FIRST_ISSUED): "the ledger",
        str(FIRST_ISSUED + 1): "an event",
        **dict.fromkeys(["10000060", "10000061", "10000062"], "an audit"),
    }


async def test_a_clean_fleet_ends_with_exit_code_0_and_files_without_rows(audit: Auditor, carrier: Emulator) -> None:
    carrier.refill([Group(3, ACTIVATED, ENABLED), Group(3)])
    one = await audit()

    assert audit_files.exit_code(one.document) == 0
    assert set(one.files) == {"findings", "changes", "report"}
    assert len(one.files["findings"].read_text().splitlines()) == 1


async def test_the_ledger_holds_the_audit_as_a_run_with_its_calls(
    audit: Auditor, settings: Settings, carrier: Emulator
) -> None:
    one = await audit()
    ledger = Ledger.open(settings.ledger())
    try:
        run = ledger.run(one.document["run_id"])
        calls = ledger.calls(run.record.run_id)
    finally:
        ledger.close()

    assert (run.record.kind, run.state) == (RunKind.AUDIT, RunState.FINISHED)
    assert calls.height == carrier.stats()["calls"] == one.told["calls"]["total"]
    assert calls["answered_at"].null_count() == 0
    assert run.detail["audit"]["findings"] == one.document["findings"]  # type: ignore[index]  # JSON
    assert settings.token() not in json.dumps(dict(run.detail), default=str)


async def test_an_audit_that_can_not_get_in_is_recorded_as_failed(audit: Auditor, settings: Settings) -> None:
    with pytest.raises(AuthenticationFailed):
        await audit(emnify_token=settings.emnify_token.__class__("wrong"))
    ledger = Ledger.open(settings.ledger())
    try:
        assert [run.state for run in ledger.runs()] == [RunState.FAILED]
    finally:
        ledger.close()


async def test_audits_of_another_carrier_are_not_compared_with(audit: Auditor, settings: Settings) -> None:
    await audit()
    with Emulator([Group(1, ACTIVATED, ENABLED)]) as other:
        there = await audit(emnify_url=other.url)

    assert (there.told["trend"], there.explained.height) == (None, 0)


async def test_an_audit_whose_files_are_gone_costs_only_what_was_in_them(audit: Auditor) -> None:
    first = await audit()
    for file in (first.folder.path / "work").iterdir():
        file.unlink()
    second = await audit()

    assert second.told["trend"]["paying_but_off"] == 0
    assert second.explained.is_empty()


async def test_findings_open_in_a_spreadsheet_and_repairs_load_as_input(audit: Auditor) -> None:
    one = await audit()
    lines = one.files["findings"].read_text(encoding="utf-8-sig").splitlines()
    rows = pl.read_csv(one.files["findings"], infer_schema=False)

    assert lines[0].split(",")[:4] == ["finding", "sim_id", "iccid", "endpoint_id"]
    assert rows.height == sum(one.document["findings"].values())
    assert rows["iccid"].drop_nulls().str.starts_with("'89").all()
    intake = read_devices(one.files["repair-paying_but_off"], None)
    assert (intake.rows, intake.rejected.height) == (4, 0)
    assert intake.devices["desired"].to_list() == ["activated"] * 4


async def test_the_inventory_the_next_audit_compares_with_is_kept(audit: Auditor) -> None:
    one = await audit()

    assert Inventory.validate(one.folder.table("inventory.parquet")).height == 64
    assert one.folder.data("fleet.json")["whole"]
