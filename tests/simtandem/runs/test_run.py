import asyncio
import json
import os
import socket
from pathlib import Path

import polars as pl
import pytest

from schemas.parameters import BulkUpdate, Mode
from schemas.statuses import StoppedBy
from simtandem.errors import CarrierUnavailable, InputError, Interrupted, LedgerError, PlanRefused
from simtandem.ledger.records import RunKind, RunState
from simtandem.runs import prepare
from simtandem.runs.finish import report_again
from simtandem.runs.run import kind_of, newest_head
from simtandem.runs.run_folder import RunFolder
from tests.simtandem.runs.conftest import MakeRun


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({}, RunKind.PLAN),
        ({"mode": Mode.APPLY}, RunKind.APPLY),
        ({"mode": Mode.APPLY, "retry_of": "x"}, RunKind.RETRY),
        ({"mode": Mode.APPLY, "undo_of": "x"}, RunKind.UNDO),
        ({"retry_of": "x"}, RunKind.PLAN),
    ],
)
def test_the_kind_of_a_run_follows_from_what_is_asked(asked: dict[str, object], kind: RunKind) -> None:
    assert kind_of(BulkUpdate(file="f.csv", **asked)) is kind  # type: ignore[arg-type]  # pydantic checks them


def test_runs_of_the_same_second_have_names_of_their_own(make_run: MakeRun) -> None:
    names = {make_run(["1"]).run_id for _ in range(5)}
    assert len(names) == 5


def test_the_message_of_a_run_without_an_entry_names_no_other_run(make_run: MakeRun) -> None:
    begun, never_began = make_run(["1"]), make_run(["2"])
    prepare.read_devices(begun)
    assert f"Record: run {begun.run_id} has" in begun.record_head()
    assert newest_head(begun.ledger) == begun.record_head()
    assert newest_head(begun.ledger, never_began.run_id) == ""


def test_the_record_says_who_ran_what_where_and_holds_no_secret(make_run: MakeRun) -> None:
    run = make_run(["1"], batch_size=7, settings={"emnify_token": "hush-hush", "emnify_url": "http://carrier.test:81"})
    prepare.read_devices(run)
    record = run.ledger.run(run.run_id).record
    assert (record.carrier_host, record.host, record.pid) == ("carrier.test:81", socket.gethostname(), os.getpid())
    assert record.parameters["batch_size"] == 7
    assert "hush-hush" not in repr(record)


def test_what_ends_a_run_is_recorded_and_raised_on(make_run: MakeRun) -> None:
    run = make_run(["1"])
    prepare.read_devices(run)
    with pytest.raises(CarrierUnavailable), run.failing():
        raise CarrierUnavailable("nobody answers")
    summary = run.ledger.run(run.run_id)
    assert (summary.state, summary.detail["error"]) == (RunState.FAILED, "nobody answers")


@pytest.mark.parametrize("error", [asyncio.CancelledError(), Interrupted("Stopped.")])
def test_a_run_that_is_stopped_before_its_report_records_by_whom(make_run: MakeRun, error: BaseException) -> None:
    run = make_run(["1"])
    prepare.read_devices(run)
    with pytest.raises(type(error)), run.failing():
        raise error
    summary = run.ledger.run(run.run_id)
    assert (summary.state, summary.detail["stopped_by"]) == (RunState.INTERRUPTED, "operator")
    told = report_again(run.ledger, run.folder, summary)
    assert told["stopped"]["by"] == "operator"
    assert told["exit_code"] == Interrupted.exit_code


def test_a_stop_after_the_report_leaves_the_report_as_it_is(make_run: MakeRun) -> None:
    run = make_run(["1"])
    prepare.read_devices(run)
    run.folder.save("document.json", {})
    run.stopped(StoppedBy.PREFECT)
    assert run.ledger.states(run.run_id) == []


def test_a_refusal_is_recorded_by_the_gate_not_as_a_failure(make_run: MakeRun) -> None:
    run = make_run(["1"])
    prepare.read_devices(run)
    with pytest.raises(PlanRefused), run.failing():
        raise PlanRefused("too many")
    assert run.ledger.states(run.run_id) == []


def test_a_run_that_never_began_has_no_end(make_run: MakeRun) -> None:
    run = make_run(["1"])
    with pytest.raises(InputError), run.failing():
        raise InputError("no such file")
    assert run.ledger.runs() == []


def test_an_end_that_can_not_be_recorded_hides_nothing(make_run: MakeRun) -> None:
    run = make_run(["1"])
    prepare.read_devices(run)
    with run.ledger.database.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON run_states BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    with pytest.raises(CarrierUnavailable, match="the first error"), run.failing():
        raise CarrierUnavailable("the first error")


def test_a_declined_run_is_recorded_as_refused(make_run: MakeRun) -> None:
    run = make_run(["1"])
    prepare.read_devices(run)
    run.decline()
    assert run.ledger.run(run.run_id).state is RunState.REFUSED


def test_kept_data_is_whole_or_not_there(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert not folder.has("plan.json")
    folder.save("plan.json", {"calls": 3})
    assert folder.has("plan.json")
    assert folder.data("plan.json") == {"calls": 3}
    with pytest.raises(TypeError):
        folder.save("plan.json", {"calls": object()})
    assert json.loads((tmp_path / "run/work/plan.json").read_text()) == {"calls": 3}


def test_only_failures_to_write_become_ledger_errors(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / "work").write_text("in the way")
    with pytest.raises(LedgerError, match="what was done is not done twice"):
        folder.save("plan.json", {})


async def test_the_carrier_of_a_run_is_closed_when_its_block_ends(make_run: MakeRun) -> None:
    run = make_run(["1"], settings={"emnify_token": "t", "emnify_url": "http://127.0.0.1:9"})
    async with run.carrier() as (carrier, _):
        assert carrier.name == "emnify"
    with pytest.raises(LedgerError, match="closed"):
        await carrier.count_fleet()


async def test_without_a_token_there_is_no_carrier(make_run: MakeRun) -> None:
    with pytest.raises(InputError, match="SIMTANDEM_EMNIFY_TOKEN"):
        async with make_run(["1"]).carrier():
            pass


def damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "other": b"[1, 2]"}[how])


@pytest.mark.parametrize("how", ["gone", "empty", "cut", "other"])
def test_a_file_of_a_run_that_is_damaged_is_named_with_what_to_do(tmp_path: Path, how: str) -> None:
    folder = RunFolder(tmp_path)
    folder.save_table("plan.parquet", pl.DataFrame({"row": range(1000)}))
    folder.save("plan.json", {"digest": "ab12", "devices": 1000})
    for name, read in (("plan.parquet", folder.table), ("plan.json", folder.data)):
        damage(tmp_path / "work" / name, how)
        with pytest.raises(LedgerError, match=rf"gone or damaged: {name} .*\n.*Run the same again"):
            read(name)


def test_a_table_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save_table("plan.parquet", pl.DataFrame({"row": [1]}))
    with pytest.raises(LedgerError):
        folder.save_table("plan.parquet", pl.DataFrame({"row": [object()]}))
    assert folder.table("plan.parquet")["row"].to_list() == [1]
