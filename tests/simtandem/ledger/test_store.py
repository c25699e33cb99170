import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import event

from schemas.statuses import Half, Outcome
from schemas.tables import Outcomes, Plan, Rejected, Results, empty
from simtandem.errors import InputError, LedgerError
from simtandem.ledger.records import (
    CHANGING,
    SENDING,
    OutcomeRecord,
    RunKind,
    RunRecord,
    RunState,
    RunSummary,
    StateRecord,
)
from simtandem.ledger.store import Ledger

RUN = "20260131-a"
MakeRun = Callable[..., RunRecord]


def everything_runs(host: str, pid: int, process: str | None) -> bool:
    return True


def nothing_runs(host: str, pid: int, process: str | None) -> bool:
    return False


class Statements:
    """Collects what is sent to the database."""

    def __init__(self, ledger: Ledger) -> None:
        self.sent: list[str] = []
        event.listen(ledger.database._engine, "before_cursor_execute", self._hear)

    def _hear(self, _connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        self.sent.append(statement)


def test_a_new_ledger_is_made_with_its_folder_and_has_no_runs(url: str) -> None:
    with closing(Ledger.open(url)) as ledger:
        assert ledger.runs() == []


def test_what_was_recorded_is_there_when_opened_again(url: str, a_run: MakeRun, plan: pl.DataFrame) -> None:
    with closing(Ledger.open(url)) as ledger:
        ledger.start_run(a_run())
        ledger.record_plan(RUN, plan)
    with closing(Ledger.open(url)) as ledger:
        assert ledger.run(RUN, may_run=everything_runs).record == a_run()
        assert_frame_equal(ledger.plan(RUN), plan)


def test_a_ledger_is_closed_at_the_end_of_its_block_even_by_an_error(url: str) -> None:
    closed: list[object] = []
    ledger = Ledger.open(url)
    event.listen(ledger.database._engine, "close", lambda connection, _: closed.append(connection))
    with pytest.raises(InputError), ledger:
        ledger.run("of no run")
    assert closed


def test_opening_a_ledger_that_is_up_to_date_does_not_load_alembic(sqlite_url: str) -> None:
    Ledger.open(sqlite_url).close()
    program = (
        "import sys; from simtandem.ledger.store import Ledger; Ledger.open(sys.argv[1]).close(); "
        "print('alembic' in sys.modules)"
    )
    child = subprocess.run([sys.executable, "-c", program, sqlite_url], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "False"


def test_tables_come_back_as_they_were_recorded(
    ledger: Ledger, a_run: MakeRun, plan: pl.DataFrame, rejected: pl.DataFrame, results: pl.DataFrame
) -> None:
    ledger.start_run(a_run())
    ledger.record_plan(RUN, plan)
    ledger.record_rejected(RUN, rejected)
    ledger.record_verdicts(RUN, results)
    assert_frame_equal(Plan.validate(ledger.plan(RUN)), plan)
    assert_frame_equal(Rejected.validate(ledger.rejected(RUN)), rejected)
    assert_frame_equal(Results.validate(ledger.results(RUN)), results)


def test_verdicts_recorded_before_invalid_and_refused_had_words_of_their_own_are_told_apart(
    ledger: Ledger, a_run: MakeRun, rejected: pl.DataFrame, results: pl.DataFrame
) -> None:
    old = results.with_columns(row=pl.Series([*rejected["row"].head(1), 90]), verdict=pl.lit("rejected"))
    ledger.start_run(a_run())
    ledger.record_rejected(RUN, rejected)
    ledger.record_verdicts(RUN, old)
    assert sorted(Results.validate(ledger.results(RUN)).select("row", "verdict").rows()) == sorted(
        [(rejected["row"][0], "invalid"), (90, "refused")]
    )


def test_without_a_latest_run_of_a_kind_it_is_said_that_nothing_was_sent(ledger: Ledger, a_run: MakeRun) -> None:
    ledger.start_run(a_run("a", kind=RunKind.PLAN))
    with pytest.raises(InputError, match=r"There is no run 'latest': no run has sent anything yet\."):
        ledger.run("latest", kinds=SENDING)
    with pytest.raises(InputError, match=r"no run of account us has sent anything yet\."):
        ledger.run("latest", kinds=CHANGING, account="us")
    ledger.start_run(a_run("b", kind=RunKind.ACTION))
    assert ledger.run("latest", kinds=CHANGING).record.run_id == "b"
    with pytest.raises(InputError, match=r"no run for statuses has sent anything yet\."):
        ledger.run("latest", kinds=SENDING)


def test_the_latest_run_is_found_by_that_word(ledger: Ledger, a_run: MakeRun) -> None:
    with pytest.raises(InputError, match=r"There is no run 'latest': no run was made yet\."):
        ledger.run("latest")
    ledger.start_run(a_run("b", started_at=datetime(2026, 3, 1, tzinfo=UTC)))
    ledger.start_run(a_run("a", started_at=datetime(2026, 3, 2, tzinfo=UTC)))
    assert ledger.run("latest").record.run_id == "a"
    ledger.start_run(a_run("c", kind=RunKind.AUDIT, started_at=datetime(2026, 3, 3, tzinfo=UTC)))
    assert ledger.run("latest").record.run_id == "c"
    assert ledger.run("latest", kinds=SENDING).record.run_id == "a", "the latest that a command can work on"


def test_tables_of_a_run_without_any_are_empty_but_well_formed(ledger: Ledger, a_run: MakeRun) -> None:
    ledger.start_run(a_run())
    ledger.record_plan(RUN, empty(Plan))
    ledger.record_outcomes(RUN, [])
    assert_frame_equal(Plan.validate(ledger.plan(RUN)), empty(Plan))
    assert_frame_equal(Rejected.validate(ledger.rejected(RUN)), empty(Rejected))
    assert_frame_equal(Outcomes.validate(ledger.outcomes(RUN)), empty(Outcomes))
    assert_frame_equal(Results.validate(ledger.results(RUN)), empty(Results))
    assert ledger.calls(RUN).is_empty()


def test_runs_are_kept_apart(ledger: Ledger, a_run: MakeRun, plan: pl.DataFrame) -> None:
    ledger.start_run(a_run("one"))
    ledger.start_run(a_run("two"))
    ledger.record_plan("one", plan)
    ledger.record_plan("two", plan.head(1))
    ledger.record_outcomes("one", [OutcomeRecord(2, Half.SIM, Outcome.APPLIED, 1, 204)])
    assert ledger.plan("one").height == 3
    assert ledger.plan("two").height == 1
    assert ledger.outcomes("two").is_empty()


def test_a_plan_larger_than_a_chunk_comes_back_whole(ledger: Ledger, a_run: MakeRun, plan: pl.DataFrame) -> None:
    ledger.start_run(a_run())
    large = (
        plan.head(1).select(pl.all().repeat_by(60_001).explode()).with_columns(row=pl.arange(2, 60_003, dtype=pl.Int64))
    )
    ledger.record_plan(RUN, large)
    assert_frame_equal(ledger.plan(RUN), large)


def test_a_plan_is_recorded_whole_or_not_at_all(ledger: Ledger, a_run: MakeRun, plan: pl.DataFrame) -> None:
    ledger.start_run(a_run())
    twice = pl.concat([plan, plan.tail(1)])
    with pytest.raises(LedgerError, match="holds this already"):
        ledger.record_plan(RUN, twice)
    assert ledger.plan(RUN).is_empty()
    ledger.record_plan(RUN, plan)
    assert ledger.plan(RUN).height == 3


def test_a_second_plan_for_a_run_is_an_error_and_changes_nothing(
    ledger: Ledger, a_run: MakeRun, plan: pl.DataFrame
) -> None:
    ledger.start_run(a_run())
    ledger.record_plan(RUN, plan)
    with pytest.raises(LedgerError, match="holds this already"):
        ledger.record_plan(RUN, plan.with_columns(desired=pl.lit("suspended")))
    assert_frame_equal(ledger.plan(RUN), plan)


def test_nothing_is_recorded_for_a_run_that_never_started(ledger: Ledger, plan: pl.DataFrame) -> None:
    with pytest.raises(LedgerError, match="lacks what it refers to"):
        ledger.record_plan("nobody", plan)
    with pytest.raises(LedgerError, match="lacks what it refers to"):
        ledger.record_state("nobody", RunState.PLANNED, {})
    with pytest.raises(LedgerError, match="lacks what it refers to"):
        ledger.record_outcomes("nobody", [OutcomeRecord(2, Half.SIM, Outcome.APPLIED, 1)])


def test_the_newest_outcome_of_a_half_counts(ledger: Ledger, a_run: MakeRun) -> None:
    ledger.start_run(a_run())
    ledger.record_outcomes(
        RUN,
        [
            OutcomeRecord(3, Half.SIM, Outcome.UNKNOWN, 3, None, "no answer"),
            OutcomeRecord(2, Half.SIM, Outcome.APPLIED, 1, 204),
            OutcomeRecord(2, Half.ENDPOINT, Outcome.HELD, 0),
        ],
    )
    ledger.record_outcomes(RUN, [OutcomeRecord(3, Half.SIM, Outcome.APPLIED, 4, 204)])
    found = Outcomes.validate(ledger.outcomes(RUN))
    assert found.rows() == [
        (2, "endpoint", "held", 0, None, ""),
        (2, "sim", "applied", 1, 204, ""),
        (3, "sim", "applied", 4, 204, ""),
    ]


def test_text_a_database_can_not_store_does_not_stop_the_record(
    ledger: Ledger, a_run: MakeRun, rejected: pl.DataFrame
) -> None:
    ledger.start_run(a_run(file="caf\udce9.csv"))
    ledger.record_rejected(RUN, rejected.with_columns(value=pl.lit("a\0b")))
    ledger.record_outcomes(
        RUN, [OutcomeRecord(2, Half.SIM, Outcome.FAILED, 1, 500, "bad \0 and \ud800, good \U0001f4f6")]
    )
    ledger.record_state(RUN, RunState.FAILED, {"error": "\0 and \ud800"})
    assert ledger.run(RUN, may_run=everything_runs).record.file == "caf\ufffd.csv"
    assert ledger.rejected(RUN)["value"].to_list() == ["a\ufffdb"] * 2
    assert ledger.outcomes(RUN)["error"].to_list() == ["bad \ufffd and \ufffd, good \U0001f4f6"]


def test_states_are_kept_in_order_with_what_was_known(ledger: Ledger, a_run: MakeRun) -> None:
    ledger.start_run(a_run())
    ledger.record_state(RUN, RunState.PLANNED, {"digest": "ab12", "plan": {"devices": 200}})
    ledger.record_state(RUN, RunState.FINISHED, {"exit_code": 0, "file": Path("plan.csv")})
    at = datetime(2026, 1, 31, 23, 59, 59, 123_000, tzinfo=UTC)
    assert ledger.states(RUN) == [
        StateRecord(RunState.PLANNED, at, {"digest": "ab12", "plan": {"devices": 200}}),
        StateRecord(RunState.FINISHED, at, {"exit_code": 0, "file": "plan.csv"}),
    ]


def test_runs_are_listed_newest_first_with_their_last_state(ledger: Ledger, a_run: MakeRun) -> None:
    early = a_run("early", started_at=datetime(2026, 1, 1, tzinfo=UTC))
    late = a_run("late", started_at=datetime(2026, 1, 2, tzinfo=UTC))
    middle = a_run("middle", started_at=datetime(2026, 1, 1, 12, tzinfo=UTC))
    for each in (early, late, middle):
        ledger.start_run(each)
    ledger.record_state("early", RunState.APPLYING, {})
    ledger.record_state("early", RunState.FINISHED, {"exit_code": 1})
    at = datetime(2026, 1, 31, 23, 59, 59, 123_000, tzinfo=UTC)
    found = ledger.runs(may_run=everything_runs)
    assert found == [
        RunSummary(late, None, None, {}),
        RunSummary(middle, None, None, {}),
        RunSummary(early, RunState.FINISHED, at, {"exit_code": 1}),
    ]
    assert ledger.runs(limit=2, may_run=everything_runs) == found[:2]


def test_an_unfinished_run_whose_process_is_gone_is_shown_as_interrupted(ledger: Ledger, a_run: MakeRun) -> None:
    ledger.start_run(a_run("one"))
    ledger.record_state("one", RunState.APPLYING, {"digest": "ab12"})
    assert ledger.run("one", may_run=everything_runs).state is RunState.APPLYING
    shown = ledger.run("one", may_run=nothing_runs)
    assert shown.state is RunState.INTERRUPTED
    assert shown.detail == {"digest": "ab12"}
    assert ledger.runs(may_run=nothing_runs) == [shown]
    assert [each.state for each in ledger.states("one")] == [RunState.APPLYING]


def test_a_run_is_found_by_the_beginning_of_its_id(ledger: Ledger, a_run: MakeRun) -> None:
    for run_id in ("20260131-aa", "20260131-ab", "20260131-abc", "2026013%"):
        ledger.start_run(a_run(run_id, kind=RunKind.RETRY))
    assert ledger.run("20260131-aa").record.run_id == "20260131-aa"
    assert ledger.run("20260131-abc").record.run_id == "20260131-abc"
    assert ledger.run("20260131-ab").record.run_id == "20260131-ab"  # whole, though another begins so
    assert ledger.run("2026013%").record.run_id == "2026013%"
    several = r"More than one run begins with '20260131-': 20260131-aa, 20260131-ab, 20260131-abc\."
    with pytest.raises(InputError, match=several):
        ledger.run("20260131-")
    with pytest.raises(InputError, match="There is no run '20260131-AA'"):
        ledger.run("20260131-AA")
    with pytest.raises(InputError, match="There is no run ''"):
        ledger.run("")


def test_no_statement_changes_or_removes_what_was_recorded(
    ledger: Ledger, a_run: MakeRun, plan: pl.DataFrame, rejected: pl.DataFrame, results: pl.DataFrame
) -> None:
    statements = Statements(ledger)
    ledger.start_run(a_run())
    ledger.record_state(RUN, RunState.PLANNED, {})
    ledger.record_plan(RUN, plan)
    ledger.record_rejected(RUN, rejected)
    for outcome in (Outcome.UNKNOWN, Outcome.APPLIED):
        ledger.record_outcomes(RUN, [OutcomeRecord(2, Half.SIM, outcome, 1)])
    ledger.record_verdicts(RUN, results)
    ledger.record_state(RUN, RunState.FINISHED, {})
    ledger.run(RUN)
    verbs = {statement.split(maxsplit=1)[0].upper() for statement in statements.sent}
    assert verbs - {"BEGIN"} <= {"INSERT", "SELECT"}
    assert "INSERT" in verbs
