"""One batch on its way: what each half has still to do, and how each step ended."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from schemas.organisations import OwnerField
from schemas.statuses import Action, Half, Outcome
from simtandem.carriers.protocol import Change, StepResult
from simtandem.domain import ownership
from simtandem.domain.batches import Batch
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.own_calls import AFTER_CALL
from simtandem.domain.safety import costly
from simtandem.errors import AuthenticationFailed
from simtandem.ledger.records import OutcomeRecord
from simtandem.text import json_logs

steps = logging.getLogger("simtandem.steps")

_DONE = (Outcome.APPLIED, Outcome.UNCHANGED)
_BAD = (Outcome.REFUSED, Outcome.FAILED, Outcome.UNKNOWN)

_OUTAGE = 8
"""So many SIMs in a row without any answer are an outage, not bad luck: the rest waits for the task's retry."""


def other(half: Half) -> Half:
    """The partner."""
    return Half.ENDPOINT if half is Half.SIM else Half.SIM


def _owners(before: str | None, after: str | None) -> dict[OwnerField, tuple[str, str]]:
    """Which owners change, from whom to whom."""
    was, will = ownership.parse(before), ownership.parse(after)
    return {field: (was[field], will[field]) for field in will if was[field] != will[field]}


BATCHES_UNDER_WAY = 3
"""While one batch's SIMs are patched, the next one's endpoints are: then the call budget never idles."""

RETRY_AFTER_S = (10.0, 20.0, 40.0)
"""Pauses before an outage is tried again, up to a third longer by chance: other batches have the same outage."""


@dataclass(slots=True)
class SimSending:
    """How it goes with some changes of SIMs: SIMs in a row without an answer, and rows whose look was too old.

    `refused`: the carrier does not accept the login any more.
    """

    silent: int = 0
    late: set[int] = field(default_factory=set)
    halted: bool = False
    refused: AuthenticationFailed | None = None

    @property
    def over(self) -> bool:
        """Whether nothing else may go."""
        return self.halted or self.refused is not None or self.silent >= _OUTAGE


@dataclass(frozen=True, slots=True)
class Moment:
    """When a look was begun, by two clocks: one that may be set, and one that may stand still while a host sleeps.

    Where another process took the look, `steady` is when this one heard of it.
    """

    wall: datetime
    steady: float


@dataclass(slots=True)
class BatchWork:
    """A batch, its steps as changes by half and row, and the results so far.

    `attempted`: rows of which a call was sent; `doubtful`: those that may have been changed by one never answered;
    `returned`: rows whose endpoint was to be put back, whether or not it was; `strayed`: rows whose endpoint must not
    be, because it is elsewhere by now. `costly`: rows of which a half needs a look that is not old, `looked`: when they
    had one in this batch, and `looks`: how often. `turns`: under which count of the run's claims a step was sent last.
    `only`: just these rows are open for now.
    """

    batch: Batch
    lifecycle: Lifecycle
    changes: dict[Half, dict[int, Change]] = field(init=False)
    results: dict[Half, dict[int, StepResult]] = field(default_factory=lambda: {half: {} for half in Half})
    attempted: dict[Half, set[int]] = field(default_factory=lambda: {half: set() for half in Half})
    doubtful: dict[Half, set[int]] = field(default_factory=lambda: {half: set() for half in Half})
    returned: set[int] = field(default_factory=set)
    strayed: set[int] = field(default_factory=set)
    costly: dict[Half, set[int]] = field(init=False)
    looked: dict[int, Moment] = field(default_factory=dict)
    looks: Counter[tuple[Half, int]] = field(default_factory=Counter)
    turns: dict[tuple[Half, int], int] = field(default_factory=dict)
    only: set[int] | None = None

    _bad: set[int] = field(default_factory=set)
    _done: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.costly = {half: set(costly(self.batch.rows, self.lifecycle, half)["row"]) for half in Half}
        self.changes = {Half.SIM: {}, Half.ENDPOINT: {}}
        for plan in self.batch.rows.iter_rows(named=True):
            if plan["action"] == Action.CHANGE and plan["sim_step"]:
                before, after = plan["sim_before"], plan["sim_after"]
                owners = _owners(plan["owners_before"], plan["owners_after"])
                self.changes[Half.SIM][plan["row"]] = Change(plan["row"], plan["sim_id"], before, after, owners)
            if plan["action"] == Action.CHANGE and plan["endpoint_step"]:
                start, end = plan["endpoint_before"], plan["endpoint_after"]
                self.changes[Half.ENDPOINT][plan["row"]] = Change(plan["row"], plan["endpoint_id"], start, end)

    @property
    def first(self) -> Half:
        """The half that goes first in this batch."""
        return self.batch.first

    @property
    def second(self) -> Half:
        """The half that goes second, where its first is known to be applied."""
        return other(self.batch.first)

    def open(self, half: Half) -> list[Change]:
        """What is still to be sent: no result yet, and the first half, where there is one, is known to be applied."""
        return [
            change
            for row, change in self.changes[half].items()
            if row not in self.results[half]
            and (half is self.first or self.first_done(row))
            and (self.only is None or row in self.only)
        ]

    def left(self) -> set[int]:
        """Rows of which a step has no result yet, or an endpoint may still have to be put back."""
        unsent = {row for half in Half for row in self.changes[half] if row not in self.results[half]}
        return unsent | {back.row for back, _ in self.to_put_back(held=False)}

    def split(self) -> set[int]:
        """Rows of which the first half has been changed, and the second is still to be sent."""
        return {change.row for change in self.open(self.second) if change.row in self.changes[self.first]}

    def overtaken(self) -> set[int]:
        """Rows that are `split`, while other rows of the batch have their first half still to be sent."""
        return self.split() if self.open(self.first) else set()

    def charged_and_off(self) -> set[int]:
        """Rows that are `split`, and whose SIM is charged since this batch changed it."""
        if self.first is not Half.SIM:
            return set()
        charged, sims = self.lifecycle.charged, self.changes[Half.SIM]
        return {row for row in self.split() if sims[row].after in charged and sims[row].before not in charged}

    def pause(self) -> None:
        """Nothing more is sent for now. Looks will be old by then, and what was tried without an end still counts."""
        self.looked.clear()
        self.looks.clear()
        self.only = None
        for half in Half:
            self.attempted[half].difference_update(self.results[half])

    def blocked(self, *, for_good: bool = False) -> list[tuple[Change, str]]:
        """Second halves that must not be sent, because their first half is not known to be applied; and why not.

        `for_good`: only those whose first half has ended.
        """
        second = other(self.first)
        return [
            (change, self._why_blocked(row))
            for row, change in self.changes[second].items()
            if row not in self.results[second]
            and not self.first_done(row)
            and not (for_good and row not in self.results[self.first])
        ]

    def _why_blocked(self, row: int) -> str:
        first = self.results[self.first].get(row)
        held = first is not None and first.outcome is Outcome.HELD
        return first.error if first and held else "its partner was not changed"

    def to_put_back(self, *, held: bool) -> list[tuple[Change, StepResult]]:
        """Endpoints that were changed first, for SIMs that then did not follow: the change back, and the SIM's end.

        Those whose SIM was held because it had moved count, and with `held` all that were held. What is in `returned`
        is not named again, nor what has `strayed`.
        """
        if self.first is not Half.ENDPOINT:
            return []
        left_behind = (Outcome.REFUSED, Outcome.FAILED, *([Outcome.HELD] if held else []))
        return [
            (Change(row, forth.ident, forth.after, forth.before), self.results[Half.SIM][row])
            for row, forth in self.changes[Half.ENDPOINT].items()
            if row not in self.returned | self.strayed
            and self._ended(Half.ENDPOINT, row) is Outcome.APPLIED
            and (self._ended(Half.SIM, row) in left_behind or self._moved(row))
        ]

    def _moved(self, row: int) -> bool:
        """Whether the SIM was held because of where it was found."""
        end = self.results[Half.SIM].get(row)
        return end is not None and end.outcome is Outcome.HELD and end.now is not None

    def found(self, half: Half, ended: Iterable[StepResult]) -> list[StepResult]:
        """What a look says of the steps of one half that have no result yet; if this run called: applied."""
        open_ends = [end for end in ended if end.row not in self.results[half]]
        return [
            replace(end, outcome=Outcome.APPLIED, attempts=1)
            if end.outcome is Outcome.UNCHANGED and end.row in self.attempted[half]
            else end
            for end in open_ends
        ]

    def noted(self, half: Half, results: Iterable[StepResult]) -> list[StepResult]:
        """These results; of a SIM that was there already, whether this batch had called its endpoint before."""
        called = half is Half.SIM and self.first is Half.ENDPOINT
        return [
            replace(end, error=AFTER_CALL)
            if called and end.outcome is Outcome.UNCHANGED and self._ended(Half.ENDPOINT, end.row) is Outcome.APPLIED
            else end
            for end in results
        ]

    def without_partner(self, rows: Iterable[int], ended: Mapping[Half, Iterable[StepResult]]) -> list[StepResult]:
        """Of these second halves those to hold, because a look does not find their first half where it was put.

        What was not found there is also noted as `strayed`.
        """
        intact = {end.row for end in ended[self.first] if end.outcome is Outcome.UNCHANGED}
        gone = [row for row in rows if row in self.changes[self.first] and row not in intact]
        self.strayed.update(gone)
        second, why = other(self.first), f"someone has changed its {self.first} since this run did"
        return [StepResult(row, Outcome.HELD, 0, error=why) for row in gone if row not in self.results[second]]

    def forget(self, half: Half, rows: Iterable[int]) -> None:
        """It is known that no call changed these."""
        self.attempted[half].difference_update(rows)
        self.doubtful[half].difference_update(rows)

    def given_up(self, half: Half, change: Change, why: str) -> StepResult:
        """How a change that is sent no more ends; `why` it was never sent, where it was not."""
        if change.row in self.doubtful[half]:
            return StepResult(change.row, Outcome.UNKNOWN, 1, error="sent, not answered, and not readable since")
        if change.row in self.attempted[half]:
            return StepResult(change.row, Outcome.FAILED, 1, error="the carrier could not be reached")
        return StepResult(change.row, Outcome.HELD, 0, error=why)

    def narrow(self, half: Half, changes: Iterable[Change]) -> None:
        """Of these changes only so much is still to be sent."""
        self.changes[half].update({change.row: change for change in changes})

    def keep(self, half: Half, results: Iterable[StepResult]) -> int:
        """These steps have ended. Returns of how many more devices every step was sent and has ended, well or badly."""
        before = len(self._done)
        for result in results:
            self.results[half][result.row] = result
            self._log(half, result)
            if any(self._ended(each, result.row) in _BAD for each in Half):
                self._bad.add(result.row)
            else:
                self._bad.discard(result.row)
            if all(self._sent(half, result.row) for half in Half):
                self._done.add(result.row)
            else:
                self._done.discard(result.row)
        return len(self._done) - before

    def _log(self, half: Half, end: StepResult) -> None:
        """One record for each step, where logs are for programs."""
        change = self.changes[half].get(end.row)
        if not json_logs.wanted() or change is None:
            return
        steps.log(
            logging.WARNING if end.outcome in _BAD else logging.DEBUG,
            "row %s: %s %s",
            *(end.row, half, end.outcome),
            extra={
                "batch": self.batch.number,
                "half": str(half),
                "row": end.row,
                f"{half}_id": change.ident,
                "outcome": str(end.outcome),
                "attempts": end.attempts,
                "http_status": end.http_status,
                "error": end.error,
            },
        )

    def _sent(self, half: Half, row: int) -> bool:
        """Whether a row's step of that half was sent and has ended, or there is none."""
        return row not in self.changes[half] or self._ended(half, row) not in (None, Outcome.HELD, Outcome.ACCEPTED)

    def held(self) -> int:
        """Steps that were not sent."""
        return sum(end.outcome is Outcome.HELD for ended in self.results.values() for end in ended.values())

    def failures(self) -> int:
        """Devices of which a half was refused, failed, or ended unknown."""
        return len(self._bad)

    def failed(self, half: Half) -> bool:
        """Whether a step of that half was refused, failed, or ended unknown."""
        return any(end.outcome in _BAD for end in self.results[half].values())

    def first_done(self, row: int) -> bool:
        """Whether the first half of a row, where it has one, is known to be applied."""
        return row not in self.changes[self.first] or self._ended(self.first, row) in _DONE

    def _ended(self, half: Half, row: int) -> Outcome | None:
        end = self.results[half].get(row)
        return None if end is None else end.outcome


def as_records(
    half: Half, results: Iterable[StepResult], turns: Mapping[tuple[Half, int], int], looked: int
) -> list[OutcomeRecord]:
    """How steps ended, for the ledger, with the counts of the claims that they were sent under (`turns`).

    What a process sent that died, and a look found there, counts as sent when that look began, `looked`.
    """
    records = []
    for end in results:
        turn = turns.get((half, end.row), looked if end.outcome is Outcome.APPLIED else None)
        records.append(OutcomeRecord(end.row, half, end.outcome, end.attempts, end.http_status, end.error, turn))
    return records


def unsent(results: Iterable[StepResult]) -> set[int]:
    """Rows of steps that were held before any call was sent for them."""
    return {end.row for end in results if end.outcome is Outcome.HELD and not end.attempts}


def counted(results: Iterable[StepResult]) -> str:
    """How many steps ended how, in words."""
    ends = Counter(str(result.outcome) for result in results)
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(ends.items())) or "nothing to send"
