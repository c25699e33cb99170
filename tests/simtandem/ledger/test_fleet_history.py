"""Where the ledger says devices were last put, over all runs of a carrier."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from schemas.accounts import DEFAULT, AccountKey
from schemas.statuses import Half, Outcome, Target, Verdict
from schemas.tables import Managed, Plan, Results, Steps, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.ledger import fleet_history, last_known
from simtandem.ledger.last_known_rebuild import derive
from simtandem.ledger.records import OutcomeRecord, RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger
from tests.simtandem.ledger.conftest import Clock

HERE = "cdn.emnify.net"
APPLIED, FAILED, HELD, UNKNOWN = Outcome.APPLIED, Outcome.FAILED, Outcome.HELD, Outcome.UNKNOWN
Ends = tuple[Outcome | None, Outcome | None]
"""How the SIM step and the endpoint step of a row ended; None: there was none, or it was never reached."""


OWNERS = {"owners_before": "customer_org_id=1", "owners_after": "customer_org_id=2"}


class Books:
    """Writes whole runs into a ledger: one device a row, SIM 1 with endpoint 101 and so on."""

    def __init__(self, ledger: Ledger, clock: Clock, a_run: Callable[..., RunRecord]) -> None:
        self.ledger, self._clock, self._a_run = ledger, clock, a_run
        self._rows: dict[str, dict[int, int]] = {}

    def run(
        self,
        run_id: str,
        target: Target,
        devices: dict[int, Ends],
        *,
        verdicts: dict[int, Verdict] | None = None,
        unchanged: tuple[int, ...] = (),
        **record: object,
    ) -> None:
        """One run. Devices in `unchanged` needed no step; the others needed both. Without `verdicts`, it was killed."""
        self.begin(run_id, target, devices, unchanged=unchanged, **record)
        self.finish(run_id, target, devices, verdicts=verdicts)

    def begin(
        self,
        run_id: str,
        target: Target,
        devices: dict[int, Ends],
        *,
        unchanged: tuple[int, ...] = (),
        **record: object,
    ) -> None:
        """A run as far as its plan."""
        self._clock.advance(3600)
        self.ledger.start_run(self._a_run(run_id, started_at=self._clock.now, **record))
        self._rows[run_id] = rows = {sim: row for row, sim in enumerate([*devices, *unchanged], start=2)}
        self.ledger.record_plan(run_id, _plan(rows, target, unchanged))

    def finish(
        self, run_id: str, target: Target, devices: dict[int, Ends], *, verdicts: dict[int, Verdict] | None = None
    ) -> None:
        """The rest of it."""
        rows = self._rows[run_id]
        self._clock.advance(60)
        ends = [
            OutcomeRecord(rows[sim], half, end, 1)
            for sim, pair in devices.items()
            for half, end in zip((Half.SIM, Half.ENDPOINT), pair, strict=True)
            if end is not None
        ]
        self.ledger.record_outcomes(run_id, ends)
        if ends:
            self.ledger.record_state(run_id, RunState.RECONCILING, {})
        if verdicts is not None:
            judged = {sim: row for sim, row in rows.items() if sim in verdicts}
            self.ledger.record_verdicts(run_id, _results(judged, target, verdicts))
            self.ledger.record_state(run_id, RunState.FINISHED, {})

    def later(self, plan: pl.DataFrame, ends: list[OutcomeRecord]) -> datetime:
        """One more run, of this plan; returns when it began."""
        self._clock.advance(3600)
        begun = self._clock.now
        self.ledger.start_run(self._a_run("later", started_at=begun))
        self.ledger.record_plan("later", Plan.validate(plan))
        self.ledger.record_outcomes("later", ends)
        return begun

    def managed(self, host: str = HERE) -> dict[str, tuple[str | None, str | None, str | None, str]]:
        """SIM id: desired, SIM status, endpoint status, run."""
        account = AccountKey(DEFAULT, host)
        table = Managed.validate(fleet_history.read_managed(self.ledger, account))
        with self.ledger.database.read() as connection:
            kept, derived = last_known.read(connection, account), derive(connection, account)
        assert_frame_equal(kept, derived, check_row_order=False)
        return {row["sim_id"]: (row["desired"], row["sim_status"], row["endpoint_status"], row["run_id"])
                for row in table.iter_rows(named=True)}  # fmt: skip


def _plan(rows: dict[int, int], target: Target, unchanged: tuple[int, ...]) -> pl.DataFrame:
    before = Target.ACTIVATED if target is Target.SUSPENDED else Target.SUSPENDED
    columns = [
        {
            "row": row,
            "sim_id": str(sim),
            "iccid": f"898830300000000{sim:04}",
            "endpoint_id": str(100 + sim),
            "sim_before": EMNIFY.goal(target).sim if sim in unchanged else EMNIFY.goal(before).sim,
            "endpoint_before": EMNIFY.goal(target).endpoint if sim in unchanged else EMNIFY.goal(before).endpoint,
            "desired": target,
            "sim_after": EMNIFY.goal(target).sim,
            "endpoint_after": EMNIFY.goal(target).endpoint,
            "sim_step": sim not in unchanged,
            "endpoint_step": sim not in unchanged,
            "action": "unchanged" if sim in unchanged else "change",
            "reason": "",
            "newly_billed": False,
        }
        for sim, row in rows.items()
    ]
    return Plan.validate(pl.DataFrame(columns, schema=empty(Plan).schema))


def _results(rows: dict[int, int], target: Target, verdicts: dict[int, Verdict]) -> pl.DataFrame:
    columns = [
        {
            "row": row,
            "sim_id": str(sim),
            "desired": target,
            "before": "",
            "after": "",
            "reason": "",
            "attempts": 1,
            "verdict": verdicts[sim],
            "error": "",
        }
        for sim, row in rows.items()
    ]
    return Results.validate(pl.DataFrame(columns, schema=empty(Results).schema))


@pytest.fixture
def books(ledger: Ledger, clock: Clock, a_run: Callable[..., RunRecord]) -> Books:
    return Books(ledger, clock, a_run)


ON, OFF = ("activated", "Activated", "Enabled"), ("suspended", "Suspended", "Disabled")
HALF_DONE = (None, None, None)
DONE = (APPLIED, Outcome.UNCHANGED)


def test_what_was_sent_last_counts_whichever_run_began_first(books: Books) -> None:
    """One run waited for its approval while another was begun and ended."""
    books.begin("waits", Target.ACTIVATED, {1: DONE, 2: DONE}, unchanged=(3, 4))
    books.run("meanwhile", Target.SUSPENDED, {1: DONE, 3: DONE}, verdicts={1: Verdict.IN_SYNC, 3: Verdict.IN_SYNC})
    books.finish("waits", Target.ACTIVATED, {1: DONE, 2: DONE}, verdicts=dict.fromkeys((1, 2, 4), Verdict.IN_SYNC))

    assert books.managed() == {
        "1": (*ON, "waits"),
        "2": (*ON, "waits"),
        "3": (*OFF, "meanwhile"),
        "4": (*ON, "waits"),
    }


def test_the_newest_run_that_put_a_device_somewhere_counts(books: Books) -> None:
    books.run("a", Target.ACTIVATED, {1: DONE, 2: DONE}, verdicts={1: Verdict.IN_SYNC, 2: Verdict.IN_SYNC})
    books.run("b", Target.SUSPENDED, {2: DONE}, verdicts={2: Verdict.IN_SYNC})

    assert books.managed() == {"1": (*ON, "a"), "2": (*OFF, "b")}


def test_a_run_that_was_killed_before_its_verdicts_counts_by_what_it_did(books: Books) -> None:
    books.run("a", Target.ACTIVATED, {1: DONE, 2: (None, APPLIED), 3: (None, None)})

    assert books.managed() == {"1": (*ON, "a"), "2": (*HALF_DONE, "a")}


def test_somebody_who_changed_it_before_we_looked_does_not_change_where_we_put_it(books: Books) -> None:
    books.run("a", Target.ACTIVATED, {1: DONE}, verdicts={1: Verdict.CHANGED_BY_OTHERS})

    assert books.managed() == {"1": (*ON, "a")}


def test_an_unanswered_step_counts_once_the_look_shows_it(books: Books) -> None:
    unclear = (UNKNOWN, APPLIED)
    books.run("a", Target.ACTIVATED, {1: unclear, 2: unclear}, verdicts={1: Verdict.IN_SYNC, 2: Verdict.UNKNOWN})

    assert books.managed() == {"1": (*ON, "a"), "2": (*HALF_DONE, "a")}


@pytest.mark.parametrize("end", [FAILED, HELD, Outcome.REFUSED])
def test_a_run_that_did_nothing_to_a_device_leaves_it_where_it_was(books: Books, end: Outcome) -> None:
    books.run("a", Target.ACTIVATED, {1: DONE}, verdicts={1: Verdict.IN_SYNC})
    books.run("b", Target.SUSPENDED, {1: (end, HELD)}, verdicts={1: Verdict.FAILED})

    assert books.managed() == {"1": (*ON, "a")}


def test_a_device_left_half_done_is_expected_nowhere(books: Books) -> None:
    books.run("a", Target.ACTIVATED, {1: DONE}, verdicts={1: Verdict.IN_SYNC})
    books.run("b", Target.SUSPENDED, {1: (APPLIED, FAILED)}, verdicts={1: Verdict.FAILED})

    assert books.managed() == {"1": (*HALF_DONE, "b")}


def test_a_device_that_was_as_asked_already_was_put_there_too(books: Books) -> None:
    books.run("a", Target.ACTIVATED, {}, unchanged=(1, 2), verdicts={1: Verdict.IN_SYNC, 2: Verdict.CHANGED_BY_OTHERS})
    books.run("b", Target.SUSPENDED, {}, unchanged=(3,))  # planned, then declined

    assert books.managed() == {"1": (*ON, "a")}


@pytest.mark.parametrize("kind", [RunKind.RETRY, RunKind.UNDO])
def test_every_kind_of_run_that_changes_counts(books: Books, kind: RunKind) -> None:
    books.run("a", Target.ACTIVATED, {1: DONE}, verdicts={1: Verdict.IN_SYNC}, kind=kind)

    assert books.managed() == {"1": (*ON, "a")}


def test_runs_that_only_look_and_runs_at_other_carriers_do_not_count(books: Books) -> None:
    books.run("a", Target.ACTIVATED, {}, unchanged=(1,), verdicts={1: Verdict.IN_SYNC}, kind=RunKind.RECONCILE)
    books.run("b", Target.ACTIVATED, {1: DONE}, verdicts={1: Verdict.IN_SYNC}, carrier_host="elsewhere.example")

    assert books.managed() == {}
    assert books.managed("elsewhere.example") == {"1": (*ON, "b")}


def test_a_device_was_put_there_when_its_last_step_ended(books: Books, clock: Clock) -> None:
    books.run("a", Target.ACTIVATED, {1: DONE}, unchanged=(2,), verdicts={1: Verdict.IN_SYNC, 2: Verdict.IN_SYNC})

    table = fleet_history.read_managed(books.ledger, AccountKey(DEFAULT, HERE))

    assert dict(table.select("sim_id", "at").iter_rows()) == {"1": clock.now, "2": clock.now}
    assert dict(table.select("sim_id", "row").iter_rows()) == {"1": 2, "2": 3}


def test_the_steps_since_a_moment_are_those_that_changed_something_or_may_have(books: Books, clock: Clock) -> None:
    books.run("a", Target.ACTIVATED, {1: DONE})
    since = clock.now + timedelta(seconds=1)
    books.run("b", Target.SUSPENDED, {1: (APPLIED, UNKNOWN), 2: (FAILED, HELD)})
    books.run("c", Target.ACTIVATED, {3: (APPLIED, APPLIED)}, carrier_host="elsewhere.example")

    steps = Steps.validate(fleet_history.read_steps(books.ledger, AccountKey(DEFAULT, HERE), since))

    assert steps.select("half", "ident", "after", "run_id", "row").rows() == [
        ("sim", "1", "Suspended", "b", 2),
        ("endpoint", "101", "Disabled", "b", 2),
    ]
    assert steps.filter(pl.col("at") < since).is_empty()
    assert fleet_history.read_steps(books.ledger, AccountKey(DEFAULT, HERE), clock.now + timedelta(days=1)).is_empty()


def test_the_last_audit_is_the_newest_finished_one_of_this_carrier(
    ledger: Ledger, clock: Clock, a_run: Callable[..., RunRecord]
) -> None:
    assert fleet_history.last_audit(ledger, AccountKey(DEFAULT, HERE)) is None
    for number, (state, host) in enumerate(
        [(RunState.FINISHED, HERE), (RunState.FAILED, HERE), (RunState.FINISHED, "elsewhere.example")]
    ):
        clock.advance(60)
        ledger.start_run(a_run(f"audit-{number}", kind=RunKind.AUDIT, started_at=clock.now, carrier_host=host))
        ledger.record_state(f"audit-{number}", state, {"audit": {"sims": number}})

    found = fleet_history.last_audit(ledger, AccountKey(DEFAULT, HERE))

    assert found is not None
    assert (found.run_id, found.told) == ("audit-0", {"sims": 0})


def test_runs_at_the_same_host_count_however_it_was_spelled(books: Books) -> None:
    spelled = HERE.upper() + ".:443"
    books.run("a", Target.ACTIVATED, {1: (APPLIED, APPLIED)}, verdicts={1: Verdict.IN_SYNC}, carrier_host=spelled)
    assert fleet_history.read_managed(books.ledger, AccountKey(DEFAULT, HERE)).height == 1
    assert fleet_history.read_steps(books.ledger, AccountKey(DEFAULT, HERE), datetime(2000, 1, 1, tzinfo=UTC))[
        "run_id"
    ].to_list() == [
        "a",
        "a",
    ]


def test_an_owner_that_was_changed_alone_says_nothing_of_where_a_device_was_put(books: Books) -> None:
    books.run("a", Target.ACTIVATED, {1: DONE}, verdicts={1: Verdict.IN_SYNC})
    plan = _plan({1: 2}, Target.SUSPENDED, (1,)).with_columns(
        desired=pl.lit(None, pl.String),
        sim_step=pl.lit(value=True),
        action=pl.lit("change"),
        **{name: pl.lit(value) for name, value in OWNERS.items()},
    )
    since = books.later(plan, [OutcomeRecord(2, Half.SIM, APPLIED, 1, 204)])

    assert books.managed() == {"1": (*ON, "a")}
    assert fleet_history.read_steps(books.ledger, AccountKey(DEFAULT, HERE), since).is_empty(), "no status moved"
