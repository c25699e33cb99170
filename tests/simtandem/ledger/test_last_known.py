"""The table of what was last sent: kept with the facts, derivable from them, filled from history, kept by pruning."""

import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from schemas.accounts import DEFAULT, AccountKey
from schemas.statuses import EMNIFY_TARGETS, Half, Outcome, Target, Verdict
from simtandem.ledger import last_known
from simtandem.ledger.integrity.prune import prune_run
from simtandem.ledger.last_known_rebuild import derive, differences, rebuild
from simtandem.ledger.records import OutcomeRecord, RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger
from tests.simtandem.ledger.conftest import Clock
from tests.simtandem.ledger.older_ledgers import make_older
from tests.simtandem.ledger.test_fleet_history import _plan, _results

HERE = "cdn.emnify.net"
SIMS = range(1, 8)
MakeRun = Callable[..., RunRecord]


class History:
    """Runs that begin, send and end in any order, with any outcome."""

    def __init__(self, ledger: Ledger, clock: Clock, a_run: MakeRun, seed: int) -> None:
        self.ledger, self._clock, self._a_run = ledger, clock, a_run
        self._chance = random.Random(seed)  # noqa: S311 - to be repeatable
        self._open: dict[str, tuple[Target, dict[int, int]]] = {}
        self.ended: list[str] = []
        self.unnamed = True
        """Whether undos bring back what no status asks for, as they do now."""
        self.outcomes = [*Outcome]
        """How steps may end."""
        self._count = 0

    def go_on(self, events: int) -> None:
        for _ in range(events):
            self._clock.advance(self._chance.choice([0.001, 1, 3600]))
            self._chance.choice([self._begin, self._send, self._send, self._send, self._end])()

    def _begin(self) -> None:
        self._count += 1
        run_id = f"run-{self._chance.randrange(100):02}-{self._count}"
        kind = self._chance.choice([RunKind.APPLY, RunKind.APPLY, RunKind.UNDO, RunKind.RECONCILE])
        host = self._chance.choice([HERE, HERE.upper(), f"{HERE}.", f"{HERE}.:443"])
        self.ledger.start_run(self._a_run(run_id, kind=kind, carrier_host=host, started_at=self._clock.now))
        target = self._chance.choice([*EMNIFY_TARGETS])
        rows = {sim: row for row, sim in enumerate(self._chance.sample(SIMS, 4), start=2)}
        plan = _plan(rows, target, tuple(rows)[:2])
        if kind is RunKind.UNDO and self.unnamed:
            unnamed = pl.col("row").is_in([*rows.values()][1:3])
            plan = plan.with_columns(pl.when(~unnamed).then("desired").alias("desired"))
        self.ledger.record_plan(run_id, plan)
        if kind is not RunKind.RECONCILE:
            self._open[run_id] = target, rows

    def _send(self) -> None:
        if not self._open:
            return
        run_id = self._chance.choice([*self._open])
        _, rows = self._open[run_id]
        ends = [
            OutcomeRecord(row, half, self._chance.choice(self.outcomes), 1)
            for row in [*rows.values()][2:]
            for half in Half
            if self._chance.random() < 0.6
        ]
        self.ledger.record_outcomes(run_id, ends)

    def _end(self) -> None:
        if not self._open:
            return
        run_id = self._chance.choice([*self._open])
        target, rows = self._open.pop(run_id)
        if self._chance.random() < 0.7:
            self.ledger.record_state(run_id, RunState.RECONCILING, {})
        if self._chance.random() < 0.7:
            verdicts = {sim: self._chance.choice([*Verdict]) for sim in rows}
            self.ledger.record_verdicts(run_id, _results(rows, target, verdicts))
        self.ledger.record_state(run_id, RunState.FINISHED, {}, sealed=True)
        self.ended.append(run_id)


@pytest.fixture(params=[1, 2])
def history(request: pytest.FixtureRequest, ledger: Ledger, clock: Clock, a_run: MakeRun) -> History:
    return History(ledger, clock, a_run, request.param)


def kept(ledger: Ledger) -> pl.DataFrame:
    with ledger.database.read() as connection:
        return last_known.read(connection, AccountKey(DEFAULT, HERE)).sort("sim_id")


def derived(ledger: Ledger) -> pl.DataFrame:
    with ledger.database.read() as connection:
        return derive(connection, AccountKey(DEFAULT, HERE)).sort("sim_id")


def test_the_table_is_always_what_the_facts_say(history: History) -> None:
    for _ in range(8):
        history.go_on(15)
        assert_frame_equal(kept(history.ledger), derived(history.ledger))
    assert kept(history.ledger).height == len(SIMS)


@pytest.mark.parametrize("rows", [1, 2, 3, 16, 17, 1001])
def test_so_many_steps_that_end_together_are_all_kept(ledger: Ledger, a_run: MakeRun, rows: int) -> None:
    ledger.start_run(a_run("run-1", carrier_host=HERE))
    plan = {sim: sim + 1 for sim in range(1, rows + 1)}
    ledger.record_plan("run-1", _plan({**plan, rows + 1: rows + 2}, Target.SUSPENDED, ()))
    ends = [OutcomeRecord(row, Half.SIM, Outcome.APPLIED, 1) for row in plan.values()]
    ledger.record_outcomes("run-1", ends)
    assert set(kept(ledger)["sim_id"]) == {str(sim) for sim in plan}
    assert_frame_equal(kept(ledger), derived(ledger))


def test_it_can_be_made_anew_from_the_facts_alone(history: History) -> None:
    history.go_on(60)
    before = kept(history.ledger)
    with history.ledger.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM last_known WHERE sim_id < '3'")
        connection.exec_driver_sql("UPDATE last_known SET sim_status = 'Deleted' WHERE sim_id > '4'")
        odd = before.filter((pl.col("sim_id") < "3") | (pl.col("sim_id") > "4"))
        assert [each.devices for each in differences(connection)] == [odd.height]
    rebuild(history.ledger)
    assert_frame_equal(kept(history.ledger), before)
    with history.ledger.database.read() as connection:
        assert differences(connection) == []


@pytest.mark.parametrize("revision", ["0001", "0005"])  # the table is of 0006
def test_an_upgrade_fills_the_table_from_the_runs_there_are(
    history: History, url: str, new_url: Callable[[], str], revision: str
) -> None:
    history.unnamed = False
    history.outcomes.remove(Outcome.ACCEPTED)  # no ledger of these revisions has it
    history.go_on(60)
    before, older = kept(history.ledger), new_url()
    make_older(url, older, revision)
    with closing(Ledger.open(older)) as upgraded:
        assert_frame_equal(kept(upgraded), before)


def test_pruning_loses_nothing_of_it_and_leaves_it_derivable(history: History, tmp_path: Path) -> None:
    history.go_on(60)
    before = kept(history.ledger)
    for run_id in history.ended:
        prune_run(history.ledger, run_id, tmp_path, "ada")
        assert_frame_equal(kept(history.ledger), before)
        assert_frame_equal(derived(history.ledger), before)
    history.go_on(30)
    assert_frame_equal(kept(history.ledger), derived(history.ledger))


def test_another_account_is_told_of_these_devices_also_where_a_run_was_pruned(history: History, tmp_path: Path) -> None:
    history.go_on(60)
    sims = set(kept(history.ledger)["sim_id"])

    def told(account: str) -> pl.DataFrame:
        return history.ledger.known_of_others(AccountKey(account, "elsewhere.test"))

    assert set(told("us").select("account", "sim_id").rows()) == {(DEFAULT, sim) for sim in sims}
    assert told("us")["iccid"].null_count() == 0
    assert told(DEFAULT).is_empty(), "one account is one, whatever its address is now"
    for run_id in history.ended:
        prune_run(history.ledger, run_id, tmp_path, "ada")
    assert set(told("us")["sim_id"]) == sims


@pytest.mark.parametrize(
    ("carrier", "before", "after", "word"),
    [
        ("iot-accelerator", "ACTIVE", "PAUSE", "activated"),
        ("aeradmin", "Active-billed", "Suspended", "activated"),
        ("aeradmin", "Assigned", "Provisioned", None),
        ("a stranger", "ACTIVE", "PAUSE", None),
    ],
)
def test_what_a_run_took_back_is_named_by_its_own_carriers_rules(
    ledger: Ledger, a_run: MakeRun, carrier: str, before: str, after: str, word: str | None
) -> None:
    ledger.start_run(a_run("run-1", carrier=carrier, carrier_host=HERE))
    halves = {"sim_before": before, "sim_after": after, "sim_step": True, "endpoint_step": False}
    none = dict.fromkeys(("endpoint_id", "endpoint_before", "endpoint_after"))
    plan = _plan({1: 2}, Target.SUSPENDED, ()).with_columns(**{name: pl.lit(value) for name, value in halves.items()})
    ledger.record_plan("run-1", plan.with_columns(**{name: pl.lit(value, pl.String) for name, value in none.items()}))
    for end in (Outcome.ACCEPTED, Outcome.REFUSED):
        ledger.record_outcomes("run-1", [OutcomeRecord(2, Half.SIM, end, 1)])
    status = before if word else None
    assert kept(ledger).select("desired", "sim_status", "endpoint_status").rows() == [(word, status, None)]
    assert_frame_equal(kept(ledger), derived(ledger))
