"""The IoT Accelerator as a `simtandem.carriers.protocol.LateCarrier`.

A change is a request for many SIMs. It is accepted, then worked on, and only a look at the SIMs, or a deadline, ends
it: a line that says COMPLETED is believed once the SIM shows it.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import httpx
import polars as pl

from schemas.hosts import host_of
from schemas.statuses import Outcome
from simtandem.carriers.aeris.iot_accelerator.client import IotAcceleratorClient
from simtandem.carriers.aeris.iot_accelerator.events import ChangeHistory
from simtandem.carriers.aeris.iot_accelerator.lifecycle import of_company
from simtandem.carriers.aeris.iot_accelerator.listed_fields import judged
from simtandem.carriers.aeris.iot_accelerator.logins import Credentials
from simtandem.carriers.aeris.iot_accelerator.rates import Rates
from simtandem.carriers.aeris.iot_accelerator.requests import Ended, RequestDesk, Submitted
from simtandem.carriers.aeris.iot_accelerator.response_mapping import Subscription
from simtandem.carriers.aeris.iot_accelerator.subscriptions import AT_ONCE, SubscriptionReader
from simtandem.carriers.aeris.paced import PacedCarrier, asked_ids, devices, found, same_sim
from simtandem.carriers.http_call import shown
from simtandem.carriers.protocol import (
    Accepted,
    Change,
    Fresh,
    Journal,
    Listing,
    Outdated,
    Selected,
    StepResult,
    Submission,
    always_fresh,
)
from simtandem.carriers.sharing import ALONE, Shared
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import AuthenticationFailed, CarrierRefused, CarrierUnavailable, InputError, Interrupted
from simtandem.host import clock
from simtandem.selection.selection import Selection

log = logging.getLogger(__name__)

_SENT_STATES = frozenset({"ACTIVE", "PAUSE", "DEACTIVATED"})
"""What is ever asked for. TERMINATED is final, and no request for it leaves here."""
_LOCKED = "its state is locked at the platform; have the lock removed there first"
_HISTORY_WITHIN_S = 300.0
_REJECTED = ("REJECTED", "CANCELED", "FAILED")
_SPLIT_ON = (400, 404, 409, 422)


@dataclass(frozen=True, slots=True)
class Company:
    """Whose SIMs, and how their changes are followed. `name` is needed for listing the fleet only."""

    credentials: Credentials
    name: str
    home: Path
    state_name: str = ""
    bulk: int = 1000
    poll_s: float = 5.0
    shows_within_s: float = 3600.0
    lost_within_s: float = 300.0


class IotAccelerator(PacedCarrier):
    """The adapter. Nothing is called before it is asked something. `transport` and `rates` are there for tests."""

    name = "iot-accelerator"

    def __init__(
        self,
        company: Company,
        journal: Journal,
        *,
        shared: Shared = ALONE,
        rates: Rates | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(company.home, company.state_name or host_of(company.credentials.base_url), shared)
        self.lifecycle: Lifecycle = of_company(company.name, company.bulk)
        self._company = company
        self._client = IotAcceleratorClient(
            company.credentials, self.budget, journal, rates=rates, transport=transport, refused=self.refused
        )
        self._reader = SubscriptionReader(self._client)
        self._desk = RequestDesk(self._client, company.credentials.username, company.poll_s, company.lost_within_s)

    async def find(self, devices_asked: pl.DataFrame) -> Listing:
        """See `Carrier.find`. A SIM is what its ICCID names, as the platform spells it."""
        asked = asked_ids(devices_asked, self.lifecycle)
        subscriptions = await self._reader.by_iccid([*asked.get("iccid", {})])
        refused = dict(self._reader.refused)
        for kind in ("imsi", "msisdn"):
            idents = asked.get(kind, {})
            others = await self._reader.by_other_id(kind, [*idents.values()])
            subscriptions |= {ident: others[bare] for ident, bare in idents.items() if bare in others}
            refused |= {ident: why for ident, bare in idents.items() if (why := self._reader.refused.get(bare))}
        rows = {
            ident: (one.iccid, self.lifecycle.status_called(one.state_word)) for ident, one in subscriptions.items()
        }
        for ident, (_, state) in rows.items():
            if state is None:
                word = shown(subscriptions[ident].state_word)
                refused[ident] = f"the platform shows it as {word}, which is no known state"
        refused |= {one.iccid: _LOCKED for one in subscriptions.values() if one.locked}
        sims = len({sim for sim, _ in rows.values()})
        return found(rows, refused, pages=max(1, -(-sims // AT_ONCE)))

    async def read(self, pairs: pl.DataFrame, *, by_id: bool = False) -> pl.DataFrame:  # noqa: ARG002 - it always is
        """See `Carrier.read`."""
        subscriptions = await self._reader.by_iccid(pairs["sim_id"].drop_nulls().to_list())
        states = {iccid: self.lifecycle.status_called(one.state_word) for iccid, one in subscriptions.items()}
        return devices([(iccid, iccid, state) for iccid, state in states.items()])

    async def list_fleet(self) -> Listing:
        """See `Carrier.list_fleet`. Raises `InputError` where the settings name no company."""
        subscriptions, whole = await self._company_sims()
        return self._fleet(subscriptions, whole=whole)

    def _fleet(self, subscriptions: Sequence[Subscription], *, whole: bool) -> Listing:
        """One that shows no ICCID is counted, and can't be named."""
        rows = [(one.iccid, one.iccid, self.lifecycle.status_called(one.state_word)) for one in subscriptions]
        charged = sum(state in self.lifecycle.charged for *_, state in rows)
        return Listing(devices([row for row in rows if row[0]]), whole=whole, sims=len(rows), activated=charged)

    async def select(self, selection: Selection) -> Selected:
        """See `simtandem.carriers.protocol.SelectingCarrier.select`."""
        subscriptions, whole = await self._company_sims()
        listing = self._fleet(subscriptions, whole=whole)
        named = [one for one in subscriptions if one.iccid]
        selects = judged(selection, named, listing.inventory["sim_status"])
        found = listing.inventory.filter(selects).select("sim_id", "iccid", "endpoint_id")
        pages = max(1, -(-found.height // AT_ONCE))
        return Selected(replace(listing, pages=pages), found, listed=listing.inventory.height, complete=whole)

    async def count_fleet(self) -> tuple[int, int]:
        """See `Carrier.count_fleet`: by listing, 10,000 subscriptions a call."""
        listing = await self.list_fleet()
        return listing.sims or 0, listing.activated or 0

    async def events(
        self, since: datetime, until: datetime, types: Sequence[int], iccids: Sequence[str] = ()
    ) -> pl.DataFrame:
        """See `Carrier.events`: changes of states. Without `iccids`, of the company that the settings name."""
        if iccids:
            imsis = {one.imsi: iccid for iccid, one in (await self._reader.by_iccid(iccids)).items() if one.imsi}
        else:
            imsis = {one.imsi: one.iccid for one in (await self._company_sims())[0] if one.imsi and one.iccid}
        history = ChangeHistory(
            self._client, self.lifecycle, self._company.poll_s, min(self._company.shows_within_s, _HISTORY_WITHIN_S)
        )
        return await history.read(imsis, since, until, types)

    async def _company_sims(self) -> tuple[list[Subscription], bool]:
        """All subscriptions of the company, and whether they are all. Raises `InputError` where none is named."""
        if not self._company.name:
            raise InputError(
                "The fleet is listed by company, and SIMTANDEM_IOT_ACCELERATOR_COMPANY is not set. Nothing was sent."
            )
        return await self._reader.company(self._company.name)

    async def change_sim(self, change: Change, *, fresh: Fresh = always_fresh) -> StepResult:
        """See `Carrier.change_sim`: a request for one."""

        async def nobody(_results: Sequence[StepResult]) -> None:
            """Its result alone shows it."""

        return (await self.change_sims([change], accepted=nobody, fresh=fresh))[0]

    async def change_sims(
        self, changes: Sequence[Change], *, accepted: Accepted, fresh: Fresh = always_fresh
    ) -> list[StepResult]:
        """See `LateCarrier.change_sims`."""
        results: dict[int, StepResult] = {}
        for word in dict.fromkeys(change.after for change in changes):
            if word not in _SENT_STATES:
                raise CarrierRefused(f"simtandem never asks for {word} here. Nothing was sent.", "never_sent")
            some = [change for change in changes if change.after == word]
            results |= await self._request(some, word, accepted, self.fresh_and_allowed(fresh))
        return [results[change.row] for change in changes]

    async def follow(self, submissions: Sequence[Submission], known: Collection[str]) -> list[Submission]:
        """See `LateCarrier.follow`."""
        self._desk.known |= set(known)
        left = []
        for sent in submissions:
            ticket = sent.ticket or await self._desk.wait_for(sent.idents, sent.at)
            if not ticket:
                continue  # it never came to the platform: the next look at the SIMs shows it
            if await self._desk.follow(ticket, self._deadline()) is None:
                left.append(replace(sent, ticket=ticket))
        return left

    async def aclose(self) -> None:
        """See `Carrier.aclose`."""
        await self._client.aclose()
        self.budget.close()

    def _deadline(self) -> float:
        return clock.steady() + self._company.shows_within_s

    async def _request(
        self, changes: Sequence[Change], word: str, accepted: Accepted, fresh: Fresh
    ) -> dict[int, StepResult]:
        submitted = await self._desk.submit([change.ident for change in changes], word, fresh)
        if submitted.at is not None:
            return await self._settled(changes, accepted, submitted)
        if not submitted.ticket:
            return await self._refused(changes, word, accepted, fresh, submitted)
        return await self._followed(changes, accepted, submitted)

    async def _followed(
        self, changes: Sequence[Change], accepted: Accepted, submitted: Submitted
    ) -> dict[int, StepResult]:
        """Follow a request that the platform took until its SIMs show it."""
        taken = f"accepted as request {submitted.ticket}"
        pending = {
            change.row: StepResult(change.row, Outcome.ACCEPTED, submitted.attempts, submitted.reply.status, taken)
            for change in changes
        }
        await accepted(list(pending.values()))
        until = self._deadline()
        try:
            ended = await self._desk.follow(submitted.ticket, until)
            return pending | await self._until_shown(changes, submitted, ended, until)
        except Interrupted:  # it continues at the platform
            return pending
        except AuthenticationFailed as error:  # as it does then
            unseen = f"{taken}, and not seen since: {error}"
            return {row: replace(each, error=unseen) for row, each in pending.items()}

    async def _settled(self, changes: Sequence[Change], accepted: Accepted, lost: Submitted) -> dict[int, StepResult]:
        """Look for a request that was not answered, and at its SIMs, until either shows it. It is not sent again.

        What shows neither at the deadline is unknown: the platform may have the request, and show it later.
        """
        group, since = [change.ident for change in changes], lost.at or self._desk.now()
        shown: dict[int, StepResult] = {}
        while len(shown) < len(changes):
            may_show = self._desk.may_show(since)
            try:
                if ticket := await self._desk.look_for(group, since):
                    self._desk.take(group, ticket)
                    return await self._followed(changes, accepted, replace(lost, ticket=ticket))
                looked = await self._reader.by_iccid(group, purpose="read_back")
                for change in changes:
                    one = looked.get(change.ident)
                    now = self.lifecycle.status_called(one.state_word) if one else None
                    if now == change.after:
                        shown[change.row] = StepResult(change.row, Outcome.APPLIED, lost.attempts, now=now)
                if not may_show:
                    break
                if len(shown) < len(changes):
                    await asyncio.sleep(self._company.poll_s)
            except CarrierUnavailable as error:
                log.warning("%s", error)
                if not may_show:
                    break
                await asyncio.sleep(self._company.poll_s)
            except (Interrupted, AuthenticationFailed):
                break
        why = f"the request was not answered, was not found ({self._company.lost_within_s:g} s), and does not show"
        unclear = (StepResult(change.row, Outcome.UNKNOWN, lost.attempts, error=why) for change in changes)
        return {each.row: each for each in unclear} | shown

    async def _refused(
        self, changes: Sequence[Change], word: str, accepted: Accepted, fresh: Fresh, refused: Submitted
    ) -> dict[int, StepResult]:
        """A request of many that is refused is asked for in halves: one SIM must not hold up the others."""
        if len(changes) > 1 and refused.reply.status in _SPLIT_ON:
            middle = len(changes) // 2
            first = await self._request(changes[:middle], word, accepted, fresh)
            try:
                return first | await self._request(changes[middle:], word, accepted, fresh)
            except Outdated as late:
                raise Outdated(sent=True) from late
            except (Interrupted, AuthenticationFailed) as error:
                return first | _not_asked(changes[middle:], error)
        reply = refused.reply
        return {
            each.row: StepResult(each.row, Outcome.REFUSED, refused.attempts, reply.status, reply.sentence)
            for each in changes
        }

    async def _until_shown(
        self, changes: Sequence[Change], submitted: Submitted, ended: Ended | None, until: float
    ) -> dict[int, StepResult]:
        """Look at the SIMs until each shows where it was put, was refused, or the deadline is over."""
        results: dict[int, StepResult] = {}
        reasons = {} if ended is None else _reasons(changes, ended)
        status, attempts = submitted.reply.status, submitted.attempts
        while left := [change for change in changes if change.row not in results]:
            looked = await self._reader.by_iccid([change.ident for change in left], purpose="read_back")
            for change in left:
                one = looked.get(change.ident)
                now = self.lifecycle.status_called(one.state_word) if one else None
                if now == change.after:
                    results[change.row] = StepResult(change.row, Outcome.APPLIED, attempts, status)
                elif change.ident in reasons:
                    why = reasons[change.ident]
                    results[change.row] = StepResult(change.row, Outcome.REFUSED, attempts, status, why, now)
                elif clock.steady() >= until:
                    why = f"request {submitted.ticket} does not show after {self._company.shows_within_s:g} s"
                    results[change.row] = StepResult(change.row, Outcome.UNKNOWN, attempts, status, why, now)
            if len(results) < len(changes):
                await asyncio.sleep(self._company.poll_s)
        return results


def _not_asked(changes: Sequence[Change], error: Interrupted | AuthenticationFailed) -> dict[int, StepResult]:
    """The ends of changes whose request was not sent, or was answered that the login is not accepted."""
    if isinstance(error, AuthenticationFailed) and error.status is not None:
        end = StepResult(0, Outcome.REFUSED, error.attempts, error.status, str(error))
    else:
        end = StepResult(0, Outcome.HELD, 0, error=str(error))
    return {each.row: replace(end, row=each.row) for each in changes}


def _reasons(changes: Sequence[Change], ended: Ended) -> Mapping[str, str]:
    """Why the platform did not change a SIM, by its ICCID, where the request says so."""
    if ended.state in _REJECTED:
        return dict.fromkeys((change.ident for change in changes), f"the carrier ended the request as {ended.state}")
    failed = [line for line in ended.lines if line.state_word in _REJECTED]
    return {
        change.ident: f"the carrier refused it: {', '.join(line.reasons) or line.state_word}"
        for change in changes
        for line in failed
        if same_sim(line.iccid, change.ident)
    }
