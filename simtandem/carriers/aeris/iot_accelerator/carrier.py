"""The IoT Accelerator as a `simtandem.carriers.protocol.LateCarrier`.

A change is a request for many SIMs. It is accepted, then worked on, and only a look at the SIMs, or a deadline, ends
it: a line that says COMPLETED is believed once the SIM shows it.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import polars as pl

from schemas.hosts import host_of
from schemas.statuses import Outcome
from simtandem.carriers.aeris.iot_accelerator.client import IotAcceleratorClient
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.aeris.iot_accelerator.logins import Credentials
from simtandem.carriers.aeris.iot_accelerator.rates import Rates
from simtandem.carriers.aeris.iot_accelerator.requests import Ended, RequestDesk, Submitted
from simtandem.carriers.aeris.iot_accelerator.subscriptions import AT_ONCE, SubscriptionReader
from simtandem.carriers.aeris.paced import PacedCarrier, devices, same_sim
from simtandem.carriers.protocol import (
    Accepted,
    Change,
    Fresh,
    Journal,
    Listing,
    StepResult,
    Submission,
    always_fresh,
)
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import CarrierRefused, InputError, Interrupted

_SENT_STATES = frozenset({"ACTIVE", "PAUSE", "DEACTIVATED"})
"""What is ever asked for. TERMINATED is final, and no request for it leaves here."""
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


class IotAccelerator(PacedCarrier):
    """The adapter. Nothing is called before it is asked something. `transport` and `rates` are there for tests."""

    name = "iot-accelerator"

    def __init__(
        self,
        company: Company,
        journal: Journal,
        *,
        rates: Rates | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(company.home, company.state_name or host_of(company.credentials.base_url))
        self.lifecycle: Lifecycle = replace(IOT_ACCELERATOR, bulk_sims=company.bulk)
        self._company = company
        self._client = IotAcceleratorClient(company.credentials, self.budget, journal, rates=rates, transport=transport)
        self._reader = SubscriptionReader(self._client)
        self._desk = RequestDesk(self._client, company.credentials.username, company.poll_s)

    async def find(self, devices_asked: pl.DataFrame) -> Listing:
        """See `Carrier.find`. SIMs are named by their ICCID, in either of the two columns."""
        asked = (
            devices_asked.select(pl.coalesce("iccid", "sim_id")).to_series().drop_nulls().unique(maintain_order=True)
        )
        found = await self._reader.by_iccid(asked.to_list())
        rows = [(one.iccid, iccid, self.lifecycle.status_called(one.state_word)) for iccid, one in found.items()]
        refused = {(kind, iccid): why for iccid, why in self._reader.refused.items() for kind in ("sim_id", "iccid")}
        pages = -(-asked.len() // AT_ONCE)
        return Listing(devices(rows), whole=False, sims=None, activated=None, refused=refused, pages=pages)

    async def read(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """See `Carrier.read`."""
        found = await self._reader.by_iccid(pairs["sim_id"].drop_nulls().to_list())
        return devices([(iccid, iccid, self.lifecycle.status_called(one.state_word)) for iccid, one in found.items()])

    async def list_fleet(self) -> Listing:
        """See `Carrier.list_fleet`. Raises `InputError` where the settings name no company."""
        if not self._company.name:
            raise InputError(
                "The fleet is listed by company, and SIMTANDEM_IOT_ACCELERATOR_COMPANY is not set. Nothing was sent."
            )
        subscriptions, whole = await self._reader.company(self._company.name)
        rows = [(one.iccid, one.iccid, self.lifecycle.status_called(one.state_word)) for one in subscriptions]
        inventory = devices(rows)
        charged = inventory["sim_status"].is_in(list(self.lifecycle.charged)).sum()
        return Listing(inventory, whole=whole, sims=inventory.height, activated=int(charged))

    async def count_fleet(self) -> tuple[int, int]:
        """See `Carrier.count_fleet`: by listing, 10,000 subscriptions a call."""
        listing = await self.list_fleet()
        return listing.sims or 0, listing.activated or 0

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
            ticket = sent.ticket or await self._desk.find_lost(sent.idents, sent.at)
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
        return time.monotonic() + self._company.shows_within_s

    async def _request(
        self, changes: Sequence[Change], word: str, accepted: Accepted, fresh: Fresh
    ) -> dict[int, StepResult]:
        submitted = await self._desk.submit([change.ident for change in changes], word, fresh)
        if not submitted.ticket:
            return await self._refused(changes, word, accepted, fresh, submitted)
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

    async def _refused(
        self, changes: Sequence[Change], word: str, accepted: Accepted, fresh: Fresh, refused: Submitted
    ) -> dict[int, StepResult]:
        """A request of many that is refused is asked for in halves: one SIM must not hold up the others."""
        if len(changes) > 1 and refused.reply.status in _SPLIT_ON:
            middle = len(changes) // 2
            first = await self._request(changes[:middle], word, accepted, fresh)
            return first | await self._request(changes[middle:], word, accepted, fresh)
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
            found = await self._reader.by_iccid([change.ident for change in left], purpose="read_back")
            for change in left:
                one = found.get(change.ident)
                now = self.lifecycle.status_called(one.state_word) if one else None
                if now == change.after:
                    results[change.row] = StepResult(change.row, Outcome.APPLIED, attempts, status)
                elif change.ident in reasons:
                    why = reasons[change.ident]
                    results[change.row] = StepResult(change.row, Outcome.REFUSED, attempts, status, why, now)
                elif time.monotonic() >= until:
                    why = f"request {submitted.ticket} does not show after {self._company.shows_within_s:g} s"
                    results[change.row] = StepResult(change.row, Outcome.UNKNOWN, attempts, status, why, now)
            if len(results) < len(changes):
                await asyncio.sleep(self._company.poll_s)
        return results


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
