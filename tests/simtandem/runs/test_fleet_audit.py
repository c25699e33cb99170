"""Audits of a real fleet on the emulator: split pairs found, counted, repaired, recorded, and clean afterwards."""

import json

import polars as pl
import pytest
from pydantic import SecretStr

from schemas.statuses import Cause
from schemas.tables import Inventory
from simtandem.emulator.server import Emulator, Group
from simtandem.errors import AuthenticationFailed
from simtandem.ledger.records import RunKind, RunState
from simtandem.ledger.store import Ledger
from simtandem.reports.audit_document import AuditDocument, AuditSummary, WastedCost
from simtandem.runs import audit_output
from simtandem.settings import Settings
from tests.simtandem.emnify_lists import read_devices
from tests.simtandem.runs.audited_fleet import ACTIVATED, ENABLED, apply
from tests.simtandem.runs.conftest import Auditor


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
    assert audit_output.exit_code(first.document) == 1
    assert (first.told["cost"]["sims"], first.told["cost"]["per_month"]) == (6, "2.70")
    assert (first.told["trend"], first.told["never_managed"], first.told["whole"]) == (None, 62, True)
    assert set(first.told) == set(AuditSummary.__annotations__)
    assert set(first.told["cost"]) == set(WastedCost.__annotations__)
    assert set(first.document) == set(AuditDocument.__annotations__) - {"warnings"}
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


async def test_a_clean_fleet_ends_with_exit_code_0_and_files_without_rows(audit: Auditor, carrier: Emulator) -> None:
    carrier.refill([Group(3, ACTIVATED, ENABLED), Group(3)])
    one = await audit()

    assert audit_output.exit_code(one.document) == 0
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
        await audit(emnify_token=SecretStr("wrong"))
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
