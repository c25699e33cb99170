"""A carrier in memory that does what a test tells it: it refuses, falls silent, or goes away, for single devices."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from schemas.organisations import NOBODY, OwnerField
from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus
from schemas.tables import Inventory, Owners, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.protocol import (
    Answer,
    Call,
    Change,
    Fresh,
    Journal,
    Listing,
    Outdated,
    StepResult,
    Stops,
    always_fresh,
    never_stops,
)
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import AuthenticationFailed, CarrierRefused, CarrierUnavailable, Interrupted
from tests.simtandem.model_fleet import ModelFleet


@dataclass(frozen=True)
class Refused:
    """The carrier says no for good. `now` is what was read when in doubt."""

    now: SimStatus | None = None


@dataclass(frozen=True)
class Failed:
    """Every attempt was lost, and it was read back each time: known not to have happened."""

    now: SimStatus | None = None


@dataclass(frozen=True)
class Silent:
    """No answer, and no reading back. `carried_out`: it happened all the same."""

    carried_out: bool = False


@dataclass(frozen=True)
class Unreached:
    """No connection: certainly not processed."""


@dataclass(frozen=True)
class Broken:
    """An error nobody foresaw, after the call was sent."""

    carried_out: bool = False


@dataclass(frozen=True)
class There:
    """Somebody else did it just before: it is there already."""


@dataclass(frozen=True)
class Endless:
    """Carried out, and the answer never comes."""


@dataclass(frozen=True)
class Unaccepted:
    """The token is not accepted any more. `sent`: the carrier answered so; else it had said so before."""

    sent: bool = True
    carried_out: bool = False


Act = Refused | Failed | Silent | Unreached | Broken | There | Endless | Unaccepted


@dataclass
class ActingCarrier:
    """Implements `Carrier` over a `ModelFleet`, which notes every step a real carrier would not have taken.

    `acts` holds, for a device's id, what happens to the next changes of that half, one by one; after them all goes
    well. An act of one endpoint is the answer to the whole call it is part of, unless it is a refusal or a failure.
    `before_turn`: what happens while the next change of a SIM, or of many endpoints, waits for its turn, one by one.
    `before_change` is called with each SIM id or tuple of endpoint ids before anything happens to it. `owners`: whose
    SIMs are that are somebody's.
    """

    fleet: ModelFleet
    acts: dict[str, list[Act]] = field(default_factory=lambda: defaultdict(list))
    before_change: Callable[[str | tuple[str, ...]], None] = lambda _: None
    before_turn: list[Callable[[], object]] = field(default_factory=list)
    away: bool = False
    fleet_counts: tuple[int, int] = (1000, 1000)
    owners: dict[str, dict[OwnerField, str]] = field(default_factory=lambda: defaultdict(dict))
    journal: Journal | None = None
    lifecycle: Lifecycle = EMNIFY
    name: str = "acting"
    sent: list[tuple[Half, str]] = field(default_factory=list)
    put_back: list[str] = field(default_factory=list)
    endpoint_calls: list[list[str]] = field(default_factory=list)
    finds: int = 0
    reads: list[list[tuple[str | None, str | None]]] = field(default_factory=list)
    owners_asked: list[list[str]] = field(default_factory=list)
    counts_asked: int = 0
    whole: bool = True
    pages: int | None = 1
    pages_s: float | None = None
    halted: bool = False
    changes_halted: bool = False
    held: bool = False
    gives_up: bool = False  # endpoints one by one, until too many of those tried are refused
    on_the_way: int = 0
    most_on_the_way: int = 0
    _at_next_turn: Callable[[], None] | None = None

    async def find(self, devices: pl.DataFrame) -> Listing:
        self._take_turn()
        self._reach()
        self.finds += 1
        inventory = self.fleet.inventory()
        activated = inventory.filter(pl.col("sim_status") == SimStatus.ACTIVATED).height
        sims = inventory["sim_id"].drop_nulls().len()
        known = (sims, activated) if self.whole else (None, None)
        return Listing(inventory, self.whole, known[0], known[1], pages=self.pages, pages_s=self.pages_s)

    async def read(self, pairs: pl.DataFrame, *, by_id: bool = False) -> pl.DataFrame:
        self._take_turn()
        self._reach()
        asked = list(pairs.select("sim_id", "endpoint_id").iter_rows())
        self.reads.append(asked)
        wanted = {ident for pair in asked for ident in pair if ident}
        inventory = self.fleet.inventory()
        if inventory.is_empty():
            return empty(Inventory)
        return inventory.filter(pl.col("sim_id").is_in(list(wanted)) | pl.col("endpoint_id").is_in(list(wanted)))

    async def read_owners(self, sims: Sequence[str], *, by_id: bool = False) -> pl.DataFrame:
        self._take_turn()
        self._reach()
        self.owners_asked.append(list(sims))
        lines = [(sim, *(self.owners[sim].get(name) for name in OwnerField)) for sim in sims]
        return pl.DataFrame(lines, schema=empty(Owners).schema, orient="row")

    async def list_fleet(self) -> Listing:
        raise NotImplementedError("a run of a file never lists the whole fleet")

    async def events(
        self, since: datetime, until: datetime, types: Sequence[int], iccids: Sequence[str] = ()
    ) -> pl.DataFrame:
        raise NotImplementedError("a run of a file never asks for events")

    async def count_fleet(self) -> tuple[int, int]:
        self._take_turn()
        self._reach()
        self.counts_asked += 1
        return self.fleet_counts

    async def change_sim(self, change: Change, *, fresh: Fresh = always_fresh) -> StepResult:
        self._take_turn(changing=True, fresh=fresh)
        self.before_change(change.ident)
        act = self._next_act(change.ident)
        self.on_the_way += 1
        self.most_on_the_way = max(self.most_on_the_way, self.on_the_way)
        try:
            return await self._change_sim(change, act)
        finally:
            self.on_the_way -= 1

    async def _change_sim(self, change: Change, act: Act | None) -> StepResult:
        if isinstance(act, Unreached):
            raise CarrierUnavailable(f"SIM {change.ident}: no connection")
        _let_in(act, sent=False)
        self._reach()
        await self._write_down(Call("PATCH", f"/sim/{change.ident}", "change"), act)
        self.sent.append((Half.SIM, change.ident))
        _let_in(act, sent=True)
        if isinstance(act, Refused):
            return StepResult(change.row, Outcome.REFUSED, 1, 403, "the carrier says no", act.now)
        if isinstance(act, Failed):
            return StepResult(change.row, Outcome.FAILED, 6, 503, "503, 6 times", act.now)
        await asyncio.sleep(0)  # on the wire
        if act is None or isinstance(act, There | Endless) or act.carried_out:
            self._carry_out(change)
        if isinstance(act, Endless):
            await asyncio.Event().wait()
        if isinstance(act, There):
            return StepResult(change.row, Outcome.UNCHANGED, 1, 409)
        if isinstance(act, Silent):
            raise CarrierUnavailable(f"SIM {change.ident}: silence", maybe_processed=True)
        if isinstance(act, Broken):
            raise CarrierRefused(f"SIM {change.ident}: reading it back was refused")
        return StepResult(change.row, Outcome.APPLIED, 1, 204)

    async def _write_down(self, call: Call, act: Act | None) -> None:
        if self.journal is not None:
            call_id = await self.journal.intent(call)
            if not isinstance(act, Silent | Broken | Endless):
                await self.journal.answer(call_id, Answer(204, 0.0))

    def _carry_out(self, change: Change) -> None:
        if change.before != change.after or not change.owners:
            self.fleet.change_sim(change.ident, SimStatus(change.after))
        for name, (_, after) in change.owners.items():
            self.owners[change.ident].pop(name, None)
            if after != NOBODY:
                self.owners[change.ident][name] = after

    async def put_back_endpoints(self, changes: Sequence[Change], *, fresh: Fresh = always_fresh) -> list[StepResult]:
        return await self._change_endpoints(changes, put_back=True, fresh=fresh)

    async def change_endpoints(
        self, changes: Sequence[Change], *, stops: Stops = never_stops, fresh: Fresh = always_fresh
    ) -> list[StepResult]:
        self._take_turn(changing=True, fresh=fresh)
        if not self.gives_up:
            return await self._change_endpoints(changes)
        results: list[StepResult] = []
        for change in changes:
            results += await self._change_endpoints([change])
            if stops(sum(result.outcome is Outcome.REFUSED for result in results), len(results)):
                break
        return results

    async def _change_endpoints(
        self, changes: Sequence[Change], *, put_back: bool = False, fresh: Fresh = always_fresh
    ) -> list[StepResult]:
        self._take_turn(changing=not put_back, fresh=fresh)
        idents = tuple(change.ident for change in changes)
        self.before_change(idents)
        acts = {change.ident: self._next_act(change.ident) for change in changes}
        if any(isinstance(act, Unreached) for act in acts.values()):
            raise CarrierUnavailable("endpoints: no connection")
        self._reach()
        self.endpoint_calls.append(list(idents))
        silent = any(isinstance(act, Silent | Broken | Unaccepted) for act in acts.values())
        results = []
        for change in changes:
            act = acts[change.ident]
            if put_back:
                self.put_back.append(change.ident)
            else:
                self.sent.append((Half.ENDPOINT, change.ident))
            if isinstance(act, Refused):
                results.append(StepResult(change.row, Outcome.REFUSED, 1, 404, "the carrier says no"))
            elif isinstance(act, Failed):
                results.append(StepResult(change.row, Outcome.FAILED, 6, 503, "503, 6 times"))
            elif isinstance(act, There):
                self.fleet.change_endpoint(change.ident, EndpointStatus(change.after))
                results.append(StepResult(change.row, Outcome.UNCHANGED, 1, 409))
            else:
                if (act is None and not silent) or (isinstance(act, Silent | Broken) and act.carried_out):
                    self.fleet.change_endpoint(change.ident, EndpointStatus(change.after))
                results.append(StepResult(change.row, Outcome.APPLIED, 1, 204))
        _let_in(*acts.values(), sent=True)
        if any(isinstance(act, Broken) for act in acts.values()):
            raise CarrierRefused("endpoints: reading them back was refused")
        if silent:
            raise CarrierUnavailable("endpoints: silence", maybe_processed=True)
        return results

    def waiting_s(self) -> float:
        return 0.0

    def halt_changes(self) -> None:
        self.changes_halted = True

    def allow_changes(self) -> None:
        self.changes_halted = False

    def halt(self) -> None:
        self.halted = True

    def hold(self) -> None:
        self.held = True

    def resume(self) -> None:
        self.halted = self.held = False

    async def aclose(self) -> None:
        pass

    def _next_act(self, ident: str) -> Act | None:
        return self.acts[ident].pop(0) if self.acts.get(ident) else None

    def halt_at_next_turn(self, interrupt: Callable[[], None]) -> None:
        """Somebody stops the run just as its next call waits for its turn."""
        self._at_next_turn = interrupt

    def _take_turn(self, *, changing: bool = False, fresh: Fresh = always_fresh) -> None:
        if changing and self.before_turn:
            self.before_turn.pop(0)()
        if not fresh():
            raise Outdated(sent=False)
        if self._at_next_turn:
            self._at_next_turn()
        if self.halted or self.held or (changing and self.changes_halted):
            raise Interrupted("halted")

    def _reach(self) -> None:
        if self.away:
            raise CarrierUnavailable("the carrier is away")


def _let_in(*acts: Act | None, sent: bool) -> None:
    """Raises where one of these says that the token is not accepted: of a call that was sent, or of none."""
    if any(isinstance(act, Unaccepted) and act.sent is sent for act in acts):
        refused = AuthenticationFailed("the token is not accepted")
        raise refused.of_change(401, 1) if sent else refused
