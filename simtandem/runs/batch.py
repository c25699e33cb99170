"""One batch on its way: what each half has still to do, and how each step ended."""

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
from simtandem.domain.safety import costly

_DONE = (Outcome.APPLIED, Outcome.UNCHANGED)
_BAD = (Outcome.REFUSED, Outcome.FAILED, Outcome.UNKNOWN)


def other(half: Half) -> Half:
    """The partner."""
    return Half.ENDPOINT if half is Half.SIM else Half.SIM


def _owners(before: str | None, after: str | None) -> dict[OwnerField, tuple[str, str]]:
    """Which owners change, from whom to whom."""
    was, will = ownership.parse(before), ownership.parse(after)
    return {field: (was[field], will[field]) for field in will if was[field] != will[field]}


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
    be, because it is elsewhere by now. `costly`: rows that need a look which is not old, `looked`: when they had one in
    this batch, and `looks`: how often.
    """

    batch: Batch
    lifecycle: Lifecycle
    changes: dict[Half, dict[int, Change]] = field(init=False)
    results: dict[Half, dict[int, StepResult]] = field(default_factory=lambda: {half: {} for half in Half})
    attempted: dict[Half, set[int]] = field(default_factory=lambda: {half: set() for half in Half})
    doubtful: dict[Half, set[int]] = field(default_factory=lambda: {half: set() for half in Half})
    returned: set[int] = field(default_factory=set)
    strayed: set[int] = field(default_factory=set)
    costly: set[int] = field(init=False)
    looked: dict[int, Moment] = field(default_factory=dict)
    looks: Counter[tuple[Half, int]] = field(default_factory=Counter)

    _bad: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.costly = set(costly(self.batch.rows, self.lifecycle)["row"])
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
            if row not in self.results[half] and (half is self.first or self._first_done(row))
        ]

    def blocked(self) -> list[tuple[Change, str]]:
        """Second halves that must not be sent, because their first half is not known to be applied; and why not."""
        second = other(self.first)
        return [
            (change, self._why_blocked(row))
            for row, change in self.changes[second].items()
            if row not in self.results[second] and not self._first_done(row)
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

    def narrow(self, half: Half, changes: Iterable[Change]) -> None:
        """Of these changes only so much is still to be sent."""
        self.changes[half].update({change.row: change for change in changes})

    def keep(self, half: Half, results: Iterable[StepResult]) -> None:
        """These steps have ended."""
        for result in results:
            self.results[half][result.row] = result
            if any(self._ended(each, result.row) in _BAD for each in Half):
                self._bad.add(result.row)
            else:
                self._bad.discard(result.row)

    def held(self) -> int:
        """Steps that were not sent."""
        return sum(end.outcome is Outcome.HELD for ended in self.results.values() for end in ended.values())

    def failures(self) -> int:
        """Devices of which a half was refused, failed, or ended unknown."""
        return len(self._bad)

    def _first_done(self, row: int) -> bool:
        return row not in self.changes[self.first] or self._ended(self.first, row) in _DONE

    def _ended(self, half: Half, row: int) -> Outcome | None:
        end = self.results[half].get(row)
        return None if end is None else end.outcome
