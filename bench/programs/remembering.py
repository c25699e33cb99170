"""Fills a ledger with a fleet and years of runs, then asks it what it is asked: `... remembering DEVICES RUNS`."""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from bench.programs.planning import Steps
from schemas.accounts import DEFAULT, AccountKey
from schemas.statuses import Action, Half, Outcome, Target, Verdict
from schemas.tables import Plan, Results, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.ledger import fleet_history, last_known_rebuild
from simtandem.ledger.integrity.prune import prune_run
from simtandem.ledger.records import OutcomeRecord, RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger

_HOST = "carrier.test"
_ACCOUNT = AccountKey(DEFAULT, _HOST)
_BATCH = 2_000
_BEGAN = datetime(2023, 1, 1, tzinfo=UTC)


class Calendar:
    """Goes on by as much as it is told, and a millisecond each time it is asked."""

    now = _BEGAN

    def __call__(self) -> datetime:
        """The time."""
        self.now += timedelta(milliseconds=1)
        return self.now


def plan(sims: range, target: Target) -> pl.DataFrame:
    """A plan (`schemas.tables.Plan`) that changes both halves of these SIMs."""
    before = Target.SUSPENDED if target is Target.ACTIVATED else Target.ACTIVATED
    number = pl.int_range(len(sims)) + sims.start
    columns: dict[str, pl.Expr] = {
        "row": pl.int_range(2, len(sims) + 2),
        "sim_id": (number + 1_000_000).cast(pl.String),
        "iccid": (number + 8_988_000_000_000_000_000).cast(pl.String),
        "endpoint_id": (number + 20_000_000).cast(pl.String),
        "sim_before": pl.lit(EMNIFY.goal(before).sim),
        "endpoint_before": pl.lit(EMNIFY.goal(before).endpoint),
        "desired": pl.lit(target.value),
        "sim_after": pl.lit(EMNIFY.goal(target).sim),
        "endpoint_after": pl.lit(EMNIFY.goal(target).endpoint),
        "sim_step": pl.lit(value=True),
        "endpoint_step": pl.lit(value=True),
        "first": pl.lit("endpoint"),
        "action": pl.lit(Action.CHANGE.value),
        "reason": pl.lit(""),
        "newly_billed": pl.lit(value=True),
    }
    return _whole(pl.select([value.alias(name) for name, value in columns.items()]), empty(Plan))


def verdicts(plan: pl.DataFrame) -> pl.DataFrame:
    """Results (`schemas.tables.Results`) of a run in which every step went well."""
    words = {"before": "", "after": "", "reason": "", "error": "", "verdict": Verdict.IN_SYNC.value}
    named = plan.select("row", "sim_id", "iccid", "endpoint_id", "desired")
    told = named.with_columns(attempts=pl.lit(1), **{name: pl.lit(word) for name, word in words.items()})
    return _whole(told, empty(Results))


def _whole(some: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    missing = [pl.lit(None, kind).alias(name) for name, kind in wanted.schema.items() if name not in some.columns]
    return some.with_columns(missing).select(wanted.columns).cast(wanted.schema)


def record(ledger: Ledger, clock: Calendar, run_id: str, sims: range, target: Target) -> None:
    """One run, from its beginning to its end."""
    clock.now += timedelta(hours=1)
    ledger.start_run(RunRecord(run_id, RunKind.APPLY, "emnify", _HOST, "", "", 0, 0, {}, "ada", "h", 1, clock.now))
    planned = plan(sims, target)
    ledger.record_plan(run_id, planned)
    for half in Half:
        for rows in _slices(planned["row"].to_list()):
            ledger.record_outcomes(run_id, [OutcomeRecord(row, half, Outcome.APPLIED, 1, 204) for row in rows])
    ledger.record_state(run_id, RunState.RECONCILING, {})
    ledger.record_verdicts(run_id, verdicts(planned))
    ledger.record_state(run_id, RunState.FINISHED, {}, sealed=True)


def _slices(rows: list[int]) -> Iterable[list[int]]:
    return (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))


class Writer(threading.Thread):
    """Another run beside a pruning: records a state again and again, and how long it waited for that at most."""

    def __init__(self, url: str, run_id: str) -> None:
        super().__init__()
        self.longest_s = 0.0
        self.done = threading.Event()
        self._url, self._run_id = url, run_id

    def run(self) -> None:
        """Write until it is enough."""
        with closing(Ledger.open(self._url)) as ledger:
            while not self.done.wait(0.02):
                begun = time.perf_counter()
                ledger.record_state(self._run_id, RunState.APPLYING, {})
                self.longest_s = max(self.longest_s, time.perf_counter() - begun)


def main(devices: int, runs: int) -> None:
    """Record, ask, prune; print what it took."""
    clock, steps = Calendar(), Steps()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/ledger.sqlite"
        with closing(Ledger.open(url, clock=clock)) as ledger:
            every = range(devices)
            steps.take("record", lambda: record(ledger, clock, "all", every, Target.ACTIVATED))
            record(ledger, clock, "tenth", range(devices // 10), Target.ACTIVATED)
            for number in range(runs):
                record(ledger, clock, f"some-{number:05}", range(number, number + 2), Target.SUSPENDED)
            busy = time.process_time()
            steps.take("baseline", lambda: fleet_history.read_managed(ledger, _ACCOUNT))
            busy = time.process_time() - busy
            steps.take("steps", lambda: fleet_history.read_steps(ledger, _ACCOUNT, clock.now - timedelta(days=1)))
            steps.take("trend", lambda: fleet_history.last_audit(ledger, _ACCOUNT))
            with ledger.database.snapshot() as connection:
                wrong = steps.take("derived", lambda: last_known_rebuild.differences(connection))
            writer = Writer(url, "some-00000")
            writer.start()
            steps.take("prune", lambda: prune_run(ledger, "tenth", Path(folder) / "archive", "ada"))
            writer.done.set()
            writer.join()
            found = fleet_history.read_managed(ledger, _ACCOUNT)
    told = {
        "seconds": steps.seconds,
        "peak_mib": steps.peak_mib,
        "busy_s": busy,
        "longest_wait_s": writer.longest_s,
        "known": dict(found.group_by("desired").len().sort("desired").iter_rows()),
        "differences": len(wrong),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
