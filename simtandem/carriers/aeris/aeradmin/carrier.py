"""AerAdmin as a `simtandem.carriers.protocol.LateCarrier`.

Reading is as public sources record it. The call that changes a state is the settings' to describe; until they do,
nothing is changed, and a sentence says what is missing. Whether its answer means done or queued nobody knows, so every
change is read back until it shows, or a deadline ends it as unknown. One that was not answered, and at the deadline
still is where it was, is sent again, a few times.
"""

import asyncio
import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import polars as pl

from schemas.hosts import host_of
from schemas.statuses import Outcome
from simtandem import progress
from simtandem.carriers.aeris.aeradmin.client import Access, AerAdminClient, key_refused
from simtandem.carriers.aeris.aeradmin.lifecycle import of_contract
from simtandem.carriers.aeris.aeradmin.response_mapping import NOT_ACTIVATED, DeviceAnswer
from simtandem.carriers.aeris.aeradmin.state_change import StateChangeCall
from simtandem.carriers.aeris.paced import (
    ATTEMPTS,
    PacedCarrier,
    asked_ids,
    devices,
    found,
    pause,
    persist,
    same_sim,
)
from simtandem.carriers.concurrency import together
from simtandem.carriers.http_call import Kind, Reply, shown
from simtandem.carriers.protocol import (
    Accepted,
    Change,
    Fresh,
    Journal,
    Listing,
    Outdated,
    StepResult,
    Submission,
    always_fresh,
)
from simtandem.carriers.sharing import ALONE, Shared
from simtandem.domain.abilities import Ability
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import AuthenticationFailed, CarrierUnavailable, InputError, Interrupted
from simtandem.host import clock

_KINDS = {"iccid": "ICCID", "imsi": "IMSI"}
"""The ids a device is read by, and AerAdmin's words for them."""
_KIND = _KINDS["iccid"]
_LOOKS_S = 2.0
_SENDINGS = 3
"""So often a change that is not answered and does not show is sent."""
_UNNAMED = "AerAdmin says {code}, not activated, and not which ICCID this {kind} is; name the SIM by its ICCID"
_UNKNOWN = "AerAdmin shows it as {words}, which is no known state; SIMTANDEM_AERADMIN_STATUS_WORDS can add it"
_SEVERAL = "the device has several SIMs in different states ({states}); change it in AerPort"


@dataclass(frozen=True, slots=True)
class Described:
    """The call that changes a state, and its word for each state that it can bring a SIM to."""

    call: StateChangeCall
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Contract:
    """What only a contract or Aeris's own documentation says, as the settings have it.

    `state_name` is the account's in the names of files that processes share. `cannot_change` says what is missing of
    the call; `words` are more spellings of a state than the table has.
    """

    access: Access
    home: Path
    state_name: str = ""
    change: Described | None = None
    cannot_change: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    not_activated: str = "assigned"
    assigned_to_billed: bool = False
    shows_within_s: float = 120.0
    export: Path | None = None
    export_iccid: str = ""


class AerAdmin(PacedCarrier):
    """The adapter. Nothing is called before it is asked something. `transport` is there for tests."""

    name = "aeradmin"

    def __init__(
        self,
        contract: Contract,
        journal: Journal,
        *,
        shared: Shared = ALONE,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(contract.home, contract.state_name or host_of(contract.access.base_url), shared)
        rules = of_contract(assigned_to_billed=contract.assigned_to_billed)
        abilities = rules.abilities | ({Ability.LIST_FLEET} if contract.export else frozenset())
        self.lifecycle: Lifecycle = replace(rules, abilities=abilities, cannot_change=contract.cannot_change)
        self._contract = contract
        call = None if contract.change is None else contract.change.call
        self._client = AerAdminClient(
            contract.access, self.budget, journal, state_change=call, transport=transport, refused=self.refused
        )
        self._refused: dict[str, str] = {}
        self._assumed: set[str] = set()
        self._at_once = asyncio.Semaphore(contract.access.at_once)

    async def find(self, devices_asked: pl.DataFrame) -> Listing:
        """See `Carrier.find`: a call for each id. A SIM is what its ICCID names, as AerAdmin spells it."""
        asked = asked_ids(devices_asked, self.lifecycle)
        rows: dict[str, tuple[str, str | None]] = {}
        for kind, word in _KINDS.items():
            for sim, ident, status in await self._rows([*asked.get(kind, {})], "read", word):
                rows[ident] = sim, status
        return found(rows, self._refused, assumed=frozenset(self._assumed))

    async def read(self, pairs: pl.DataFrame, *, by_id: bool = False) -> pl.DataFrame:  # noqa: ARG002 - it always is
        """See `Carrier.read`."""
        return devices(await self._rows(pairs["sim_id"].drop_nulls().to_list(), "read"))

    async def list_fleet(self) -> Listing:
        """See `Carrier.list_fleet`: the SIMs of the export that the settings name, each read afresh."""
        iccids = _exported(self._contract.export, self._contract.export_iccid)
        progress.current().message(
            f"Audited are the {len(iccids):,} SIMs of {self._contract.export}: what is not in it is not looked at."
        )
        inventory = devices(await self._rows(iccids, "list"))
        charged = int(inventory["sim_status"].is_in(list(self.lifecycle.charged)).sum())
        return Listing(inventory, whole=True, sims=inventory.height, activated=charged)

    async def count_fleet(self) -> tuple[int, int]:
        """Not here: see `Lifecycle.abilities`."""
        raise self.lacking(Ability.COUNT_FLEET)

    async def change_sim(self, change: Change, *, fresh: Fresh = always_fresh) -> StepResult:
        """See `Carrier.change_sim`."""
        described = self._contract.change
        if described is None or change.after not in described.words:
            missing = self._contract.cannot_change or f"the settings have no word for {change.after}"
            return StepResult(change.row, Outcome.REFUSED, 0, error=f"{missing}. Nothing was sent")
        word, allowed, attempts = described.words[change.after], self.fresh_and_allowed(fresh), 0
        result = StepResult(change.row, Outcome.UNKNOWN, 0)
        for _ in range(_SENDINGS):
            try:
                reply, attempts = await self._send(change, word, allowed, attempts)
            except (Interrupted, CarrierUnavailable, AuthenticationFailed) as error:
                if not attempts:
                    raise
                return replace(result, outcome=Outcome.UNKNOWN, error=f"{result.error}; not sent again: {error}")
            if reply.kind is Kind.REFUSED:
                return StepResult(change.row, Outcome.REFUSED, attempts, reply.status, reply.sentence)
            result = await self._until_shown(change, reply, attempts)
            if reply.kind is not Kind.UNANSWERED:
                return result
            if result.outcome is not Outcome.UNKNOWN or result.now != change.before:
                lost = result.outcome is Outcome.ACCEPTED  # no answer says that it was
                return replace(result, outcome=Outcome.UNKNOWN) if lost else result
            allowed = self.fresh_and_allowed(always_fresh)  # it was looked at just now
        return result

    async def change_sims(
        self,
        changes: Sequence[Change],
        *,
        accepted: Accepted,  # noqa: ARG002 - no answer is known to mean that it was taken
        fresh: Fresh = always_fresh,
    ) -> list[StepResult]:
        """See `LateCarrier.change_sims`: one at a time, as no public source describes a change of many."""
        return [await self.change_sim(change, fresh=fresh) for change in changes]

    async def follow(self, submissions: Sequence[Submission], known: Collection[str]) -> list[Submission]:  # noqa: ARG002 - there are no tickets
        """See `LateCarrier.follow`: what was sent may show until its deadline; after that, a look decides."""
        sent = max((each.at for each in submissions), default=None)
        if sent is not None:
            left_s = self._contract.shows_within_s - (clock.now() - sent).total_seconds()
            await asyncio.sleep(max(0.0, left_s))
        return []

    async def aclose(self) -> None:
        """See `Carrier.aclose`."""
        await self._client.aclose()
        self.budget.close()

    async def _send(self, change: Change, word: str, fresh: Fresh, before: int) -> tuple[Reply, int]:
        """Ask for the state until the call came to AerAdmin, or may have, after so many attempts `before`."""
        for attempt in range(before + 1, before + ATTEMPTS + 1):
            try:
                reply = await self._client.change(_KIND, change.ident, word, attempt=attempt, fresh=fresh)
            except Outdated as late:
                raise Outdated(sent=attempt > 1) from late
            if reply.kind is Kind.UNAUTHORIZED:
                raise key_refused(reply).of_change(reply.status, attempt)
            if reply.kind not in (Kind.THROTTLED, Kind.UNREACHED):
                return reply, attempt
            await pause(attempt)
        raise CarrierUnavailable(f"AerAdmin: {reply.sentence}, {ATTEMPTS} times.", status=reply.status)

    async def _until_shown(self, change: Change, reply: Reply, attempts: int) -> StepResult:
        until = clock.steady() + self._contract.shows_within_s
        now: str | None = None
        try:
            while True:
                rows = await self._rows([change.ident], "read_back")
                now = rows[0][2] if rows else None
                if now == change.after:
                    return StepResult(change.row, Outcome.APPLIED, attempts, reply.status, now=now)
                if clock.steady() >= until:
                    break
                await asyncio.sleep(min(_LOOKS_S, max(0.05, until - clock.steady())))
        except (Interrupted, CarrierUnavailable, AuthenticationFailed) as error:
            why = f"sent, and not seen since: {error}"
            return StepResult(change.row, Outcome.ACCEPTED, attempts, reply.status, why, now)
        answered = reply.sentence or "the call was taken"
        why = f"{answered}, and it does not show after {self._contract.shows_within_s:g} s"
        return StepResult(change.row, Outcome.UNKNOWN, attempts, reply.status, why, now)

    async def _rows(self, idents: Sequence[str], purpose: str, kind: str = _KIND) -> list[tuple[str, str, str | None]]:
        rows = await together(list(dict.fromkeys(idents)), lambda each: self._row(each, purpose, kind), self._at_once)
        return [row for row in rows if row is not None]

    async def _row(self, ident: str, purpose: str, kind: str) -> tuple[str, str, str | None] | None:
        """A SIM's ICCID, the id that was asked for, and its state; None where it is not shown (see `_refused`)."""
        answer = await persist(
            lambda attempt: self._client.details(kind, ident, purpose=purpose, attempt=attempt), key_refused
        )
        self._refused.pop(ident, None)
        self._assumed.discard(ident)
        if answer.not_activated:
            if self._contract.not_activated == "assigned":
                if kind == _KIND:
                    self._assumed.add(ident)
                    return ident, ident, self.lifecycle.sims[0].name
                self._refused[ident] = _UNNAMED.format(code=NOT_ACTIVATED, kind=kind)
                return None
            self._refused[ident] = f"AerAdmin says {NOT_ACTIVATED}, not activated, and the settings refuse such SIMs"
            return None
        if answer.reply.kind is Kind.REFUSED:
            self._refused[ident] = answer.reply.sentence
            return None
        return self._of_device(ident, answer, kind)

    def _of_device(self, ident: str, answer: DeviceAnswer, kind: str) -> tuple[str, str, str | None] | None:
        """A change reaches a device, or the SIM that is named: nobody knows. So SIMs of one device must agree."""
        states = {self._state(each.status_word) for each in answer.sims}
        if len(states) > 1:
            told = ", ".join(sorted({each.status_word for each in answer.sims}))
            self._refused[ident] = _SEVERAL.format(states=shown(told))
            return None
        if kind == _KIND:
            own = next((each.iccid for each in answer.sims if same_sim(each.iccid, ident)), ident)
        else:
            own = next((each.iccid for each in answer.sims if each.imsi == ident), "")
        if not own:
            self._refused[ident] = f"AerAdmin shows no ICCID for this {kind}, so the SIM can't be changed by that"
            return None
        state = states.pop()
        if state is None:
            words = ", ".join(sorted({each.status_word for each in answer.sims}))
            self._refused[ident] = _UNKNOWN.format(words=shown(words))
        return own, ident, state

    def _state(self, word: str) -> str | None:
        more = {each.casefold(): state for each, state in self._contract.words.items()}
        return more.get(word.strip().casefold()) or self.lifecycle.status_called(word)


def _exported(export: Path | None, column: str) -> list[str]:
    """The ICCIDs of an AerPort export. Raises `InputError` where it can't be read: its columns are not published."""
    if export is None or not column:
        raise InputError(
            "An audit at AerAdmin goes by an export of AerPort: set SIMTANDEM_AERADMIN_EXPORT to its file and "
            "SIMTANDEM_AERADMIN_EXPORT_ICCID to its column with the ICCID. Nothing was sent."
        )
    try:
        with export.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if column not in (rows.fieldnames or []):
                named = ", ".join(rows.fieldnames or [])
                raise InputError(f"{export} has no column {column!r}; its columns are {named}. Nothing was sent.")
            cells = [(row[column] or "").strip().strip("'=\"") for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The export {export} can't be read ({error}). Nothing was sent.") from error
    return [cell for cell in cells if cell]
