"""A run of several files: its files and sentences say where a row is; retry and undo keep that."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.cli.runs import Wanted
from simtandem.emulator.faults import FaultKind, FaultRule
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.ledger.store import Ledger
from simtandem.reports.run_commands import command_of, comparing
from tests.simtandem.runs.emulated import Desk

RESTING = (SimStatus.SUSPENDED, EndpointStatus.DISABLED)


@pytest.fixture(scope="module")
def carrier() -> Iterator[Emulator]:
    with Emulator([Group(1, *RESTING, sim_id=ident, endpoint_id=100 + ident) for ident in (11, 12, 13)]) as emulator:
        yield emulator


@pytest.fixture
def desk(carrier: Emulator, tmp_path: Path) -> Desk:
    carrier.reset()
    carrier.inject()
    return Desk(carrier, tmp_path / "home")


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_text("sim_id,status,Site\n11,activated,Depot 7\n12,activated,\n")
    b.write_text("endpoint_id;status\n111;activated\n113;activated\nx;activated\n")
    return [str(a), str(b)]


def places(path: str) -> list[tuple[str | None, ...]]:
    return pl.read_csv(path, infer_schema=False).select("row", "file", "file_row", "Site").rows()


def test_files_retry_and_undo_say_file_and_row(desk: Desk, files: list[str]) -> None:
    desk.emulator.inject(FaultRule(FaultKind.HTML, "PATCH", "/sim/", status=403))
    failed = desk.request(files[0], more_files=(files[1],))
    desk.emulator.inject()
    whole = [("2", "a.csv", "2", "Depot 7"), ("3", "a.csv", "3", None), ("5", "b.csv", "2", None)]
    whole += [("6", "b.csv", "3", None), ("7", "b.csv", "4", None)]
    assert failed["input"]["file"] == "a.csv, b.csv"
    assert places(failed["files"]["results"]) == whole
    assert places(failed["files"]["plan"]) == whole[:4]
    assert places(failed["files"]["invalid"]) == whole[4:]
    plan = pl.read_csv(failed["files"]["plan"], infer_schema=False)
    assert plan["reason"][2] == "same device and status as a.csv row 2"
    page = Path(failed["files"]["report"]).read_text()
    assert "b.csv row 4, column endpoint_id: “x”: is not a number of digits only" in page

    retried = desk.request("retry.csv", retry_of=failed["run_id"])
    told = pl.read_csv(retried["files"]["results"], infer_schema=False)
    assert told.select("verdict", "file", "file_row").rows() == [
        ("in_sync", "a.csv", "2"),
        ("in_sync", "a.csv", "3"),
        ("in_sync", "b.csv", "3"),
    ]
    undone = desk.undo(retried["run_id"])
    assert undone["verdicts"]["in_sync"] == 3
    assert pl.read_csv(undone["files"]["results"], infer_schema=False)["file"].to_list() == ["a.csv", "a.csv", "b.csv"]


def test_a_contradiction_holds_for_a_row_that_names_the_device_by_another_id(desk: Desk, tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in ("a.csv", "b.csv", "c.csv"))
    a.write_text("sim_id,status\n11,activated\n12,activated\n")
    b.write_text("sim_id,status\n11,suspended\n")
    c.write_text("endpoint_id,status\n111,activated\n")
    told = desk.request(str(a), more_files=(str(b), str(c)))
    assert (told["verdicts"]["in_sync"], told["verdicts"]["invalid"], told["verdicts"]["refused"]) == (1, 2, 1)
    assert told["changed"]["sims"] == 1
    reason = pl.read_csv(told["files"]["plan"], infer_schema=False)["reason"][-1]
    assert reason == (
        "rows contradict each other about one device: a.csv row 2 asks for activated, "
        "b.csv row 2 asks for suspended, c.csv row 2 asks for activated; keep one of them"
    )


def test_the_record_knows_every_file_and_the_command_for_all(desk: Desk, files: list[str]) -> None:
    first = desk.request(files[0], more_files=(files[1],))
    with Ledger.open(desk.settings.ledger()) as ledger:
        summary = ledger.run(first["run_id"])
    assert command_of(summary.record) == f"simtandem apply {' '.join(files)}"
    assert comparing(summary.record, {}) == f"simtandem reconcile {' '.join(files)}"
    assert [Wanted(file=name).fits(summary) for name in ("b.csv", "a.*", "c.csv")] == [True, True, False]
    again = desk.request(files[1], more_files=(files[0],))
    assert again["input"]["sha256"] == first["input"]["sha256"]


def test_an_own_digest_is_that_of_the_plan_and_not_of_the_places(desk: Desk, files: list[str], tmp_path: Path) -> None:
    planned = desk.request(files[0], more_files=(files[1],), mode="plan")
    moved = [str(Path(file).rename(tmp_path / f"moved-{Path(file).name}")) for file in files]
    done = desk.request(moved[0], more_files=(moved[1],), plan_digest=planned["digest"])
    assert done["verdicts"]["in_sync"] == 4
