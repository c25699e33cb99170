"""What a carrier is to the rest of simtandem: the protocol an adapter implements, and what passes through it.

A carrier uses the statuses of its `Lifecycle`; its numbers, paths and error codes stay in its adapter. A carrier
without an endpoint half plans no endpoint steps, and its `change_endpoints` is never called.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, runtime_checkable

import polars as pl

from schemas.organisations import OwnerField
from schemas.statuses import Outcome
from simtandem.domain.lifecycle import Lifecycle
from simtandem.selection.selection import Selection

Fresh = Callable[[], bool]
"""Whether what is known of a device is recent enough to change it. Asked again and again while a call waits."""


def always_fresh() -> bool:
    """However long it takes."""
    return True


class Outdated(Exception):
    """A change was not sent: when the call budget allowed it, it was not `fresh` any more. The sender looks again.

    `sent`: an earlier attempt, or a call for some of the same endpoints, was.
    """

    def __init__(self, *, sent: bool) -> None:
        super().__init__(sent)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Call:
    """A call about to be sent, as the record keeps it. `path` has no query and `body` never a secret.

    `fresh` is no part of the record: once it is false, the call is not sent.
    """

    method: str
    path: str
    purpose: str  # authenticate, list, read, read_back, change, put_back
    attempt: int = 1
    body: str | None = None
    fresh: Fresh = field(default=always_fresh, compare=False, repr=False)

    @property
    def follows_up(self) -> bool:
        """Whether it is about a change that was sent before: what became of it is found out also in a pause."""
        return self.purpose in ("read_back", "authenticate")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: an HTTP status, or a fault where no usable answer came. `last`: how the step ended comes next."""

    status: int | None
    seconds: float
    error_code: int | None = None
    fault: str = ""
    request_id: str = ""
    last: bool = field(default=False, compare=False)


class Journal(Protocol):
    """Where calls are written down, in order: the intent before a call is sent, durable then; its answer after."""

    async def intent(self, call: Call) -> str:
        """Write a call down before it is sent; returns the id to answer with."""
        ...

    async def answer(self, call_id: str, answer: Answer) -> None:
        """Write down what came back; durable when this returns, a `last` one with what is written next."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """One half of one device to be changed. `ident` is the SIM's or the endpoint's id.

    `owners` are those a SIM should change as well: from which organisation to which, by their ids or as `NOBODY`. Where
    there are some, the status may stay as it is.
    """

    row: int
    ident: str
    before: str
    after: str
    owners: Mapping[OwnerField, tuple[str, str]] = field(default_factory=dict)

    def left(self, status: str | None, owners: Mapping[OwnerField, str]) -> "Change":
        """This change less the part of it that shows already, by what was read just now."""
        open_owners = {name: both for name, both in self.owners.items() if owners.get(name) != both[1]}
        return replace(self, before=self.after if status == self.after else self.before, owners=open_owners)

    @property
    def done(self) -> bool:
        """Whether nothing is left of it."""
        return self.before == self.after and not self.owners


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a change ended. `now` is the status last read, if any was; `error` a sentence, empty if all is well."""

    row: int
    outcome: Outcome
    attempts: int
    http_status: int | None = None
    error: str = ""
    now: str | None = None


class PartlyChanged(Exception):
    """Of many changes, sent in several calls, some had ended when `cause` kept the others from being sent.

    `results` are those that ended, `unclear` the rows of calls that may have been carried out and are not known to be,
    `tried` all rows of which a call was begun. The others were not sent.
    """

    def __init__(
        self, results: Sequence[StepResult], unclear: Collection[int], tried: Collection[int], cause: Exception
    ) -> None:
        super().__init__(str(cause))
        self.results, self.unclear, self.tried, self.cause = results, unclear, tried, cause


Stops = Callable[[int, int], bool]
"""Whether so many failures among so many devices are enough to stop."""


def never_stops(_failures: int, _devices: int) -> bool:
    """However many fail, continue."""
    return False


@dataclass(frozen=True, slots=True)
class Listing:
    """What was read of the carrier.

    `inventory` is a table as in `schemas.tables.Inventory`. `whole`: it is the complete fleet; else it holds the
    devices that were asked for, and perhaps others. `sims` and `activated` count the fleet's SIMs and those that are
    charged: exactly if `whole`, else at least so many; None where nothing can be said. `refused` says why the carrier
    would not show a device, by the kind of id (`sim_id`, `endpoint_id`) and the id. `pages` is how many calls show both
    halves of every pair again, in `pages_s` seconds; None where devices can be read by id alone, or nobody has asked.
    `assumed` are SIMs that the carrier did not show: an error that may be said of SIMs of others has their status.
    `named` has the SIM's id in `inventory` for each id that was asked for and is another one, as `IdKind` hands it on.
    """

    inventory: pl.DataFrame
    whole: bool
    sims: int | None
    activated: int | None
    refused: Mapping[tuple[str, str], str] = field(default_factory=dict)
    pages: int | None = None
    pages_s: float | None = None
    assumed: Collection[str] = ()
    named: Mapping[str, str] = field(default_factory=dict)


_TICKET, _ENDED = "ticket ", " ended"


def ticket_note(ticket: str, *, ended: bool = False) -> str:
    """How the record names a request that the carrier works on, in the answer to the call that asked, or polled."""
    return f"{_TICKET}{ticket}{_ENDED if ended else ''}"[:64]


def read_ticket_note(note: str) -> tuple[str, bool]:
    """The ticket that a note of the record names, and whether it had ended; an empty one where it names none."""
    if not note.startswith(_TICKET):
        return "", False
    return note.removeprefix(_TICKET).removesuffix(_ENDED), note.endswith(_ENDED)


@dataclass(frozen=True, slots=True)
class Submission:
    """A change that a run sent, of which no end is recorded: when, of which SIMs, and its ticket if one came back."""

    run_id: str
    at: datetime
    idents: tuple[str, ...]
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class LogRead:
    """How far back a selection read the carrier's event log, for how many SIMs, and with how many calls.

    Where it is not `complete`, a SIM may have newer events than were seen.
    """

    since: datetime
    sims: int
    calls: int
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Selected:
    """What a selection found: the `listing` that was read, and the ids of the devices that it selects (`rows`).

    `rows` has `sim_id`, `iccid` and `endpoint_id`, null for a half that is not there. `listed` counts the devices that
    were judged; `undecided` those that showed only a part of what the selection asks, which are not selected; where the
    listing is not `complete`, there may be devices that were not seen. `log` is None where no event was asked for.
    """

    listing: Listing
    rows: pl.DataFrame
    listed: int
    undecided: int = 0
    complete: bool = True
    log: LogRead | None = None


class Carrier(Protocol):
    """A carrier, authenticated on first use, within its rate limit, every call of it journalled."""

    name: str
    lifecycle: Lifecycle

    async def find(self, devices: pl.DataFrame) -> Listing:
        """Read the devices asked for (`schemas.tables.Devices`), by listing or by id, whichever costs fewer calls."""
        ...

    async def read(self, pairs: pl.DataFrame, *, by_id: bool = False) -> pl.DataFrame:
        """Read known pairs (columns `sim_id`, `endpoint_id`, either may be null) afresh: an `Inventory` table.

        `by_id`: never by listing. What the carrier does not have any more is missing from the answer.
        """
        ...

    async def read_owners(self, sims: Sequence[str], *, by_id: bool = False) -> pl.DataFrame:
        """Whose these SIMs are, read as `read`: a table as in `schemas.tables.Owners`, perhaps of other SIMs, too."""
        ...

    async def list_fleet(self) -> Listing:
        """Read the whole fleet: every SIM and every endpoint. `whole` is false where it kept changing meanwhile."""
        ...

    async def events(
        self, since: datetime, until: datetime, types: Sequence[int], iccids: Sequence[str] = ()
    ) -> pl.DataFrame:
        """What the carrier noted in this window (`schemas.tables.Events`), sorted by time; no `types`: of every type.

        `iccids` says that events of other SIMs are of no use; some of them may be in the answer nevertheless.
        """
        ...

    async def count_fleet(self) -> tuple[int, int]:
        """How many SIMs the fleet has, and how many of them are charged now."""
        ...

    async def change_sim(self, change: Change, *, fresh: Fresh = always_fresh) -> StepResult:
        """Change one SIM, its status or owners or both, in one call. The caller limits how many go at a time.

        Unanswered attempts are read back before they are sent again.

        Raises `CarrierUnavailable` where the attempts are used up without an answer, and `Outdated` instead of sending
        what is not `fresh` any more.
        """
        ...

    async def change_endpoints(
        self, changes: Sequence[Change], *, stops: Stops = never_stops, fresh: Fresh = always_fresh
    ) -> list[StepResult]:
        """Change many endpoints' status, one result for each, in the order given. One call at a time.

        Where `stops` says that enough of those tried were refused, nothing more is sent, and the others have no result.
        Raises `Outdated` instead of sending what is not `fresh` any more, and `PartlyChanged` where something ends it
        between two calls.
        """
        ...

    async def put_back_endpoints(self, changes: Sequence[Change], *, fresh: Fresh = always_fresh) -> list[StepResult]:
        """Return endpoints to where they were: as `change_endpoints`, but also where nothing else is sent any more.

        Raises `Outdated` instead of sending what is not `fresh` any more, and `PartlyChanged` as that does.
        """
        ...

    def waiting_s(self) -> float:
        """How long the call budget makes the next call wait just now; 0 if it need not."""
        ...

    def halt_changes(self) -> None:
        """Change nothing more, until `allow_changes`: as `halt`, but reading, and putting back, still work."""
        ...

    def allow_changes(self) -> None:
        """Undo `halt_changes`."""

    def halt(self) -> None:
        """Send nothing more: calls that still wait raise `Interrupted`, those on the way are finished."""
        ...

    def hold(self) -> None:
        """Send nothing more for now: calls that still wait raise `Interrupted`, those on the way are finished.

        Of a change that was sent it is still found out what became of it, however long that takes.
        """
        ...

    def resume(self) -> None:
        """Undo `halt` and `hold`."""
        ...

    async def aclose(self) -> None:
        """Close connections. The carrier can't be used afterwards."""
        ...


@runtime_checkable
class SelectingCarrier(Carrier, Protocol):
    """A carrier whose listing shows fields that a selection can name."""

    async def select(self, selection: Selection) -> Selected:
        """Read the whole fleet once, and find what the selection selects. Nothing else of a device's fields is kept."""
        ...


Accepted = Callable[[Sequence[StepResult]], Awaitable[None]]
"""Gets the changes that the carrier took and that don't show yet, once their ticket is in the record."""


@runtime_checkable
class LateCarrier(Carrier, Protocol):
    """A carrier that takes changes, perhaps many in one call, and shows them later."""

    async def change_sims(
        self, changes: Sequence[Change], *, accepted: Accepted, fresh: Fresh = always_fresh
    ) -> list[StepResult]:
        """Change at most `Lifecycle.bulk_sims` SIMs in one request, and follow it until it shows or a deadline ends it.

        One result for each, in order; `ACCEPTED` where it is interrupted while it waits. Raises as `change_sim`.
        """
        ...

    async def follow(self, submissions: Sequence[Submission], known: Collection[str]) -> list[Submission]:
        """Wait for what earlier runs sent; returns what is still under way at its deadline. Changes nothing.

        `known` are the tickets in the record; a request that is none of them may be one whose answer was lost.
        """
        ...
