"""emnify as a `simtandem.carriers.protocol.Carrier`."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import polars as pl

from schemas.accounts import DEFAULT, AccountKey
from schemas.hosts import host_of
from schemas.sim_actions import SimAction
from simtandem import __version__, progress
from simtandem.carriers.connections import Connections
from simtandem.carriers.emnify.endpoint_actions import EndpointActions
from simtandem.carriers.emnify.endpoint_writer import EndpointWriter
from simtandem.carriers.emnify.events import read_events
from simtandem.carriers.emnify.fleet_listing import list_fleet
from simtandem.carriers.emnify.fleet_selection import FleetSelection
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.emnify.reader import Reader
from simtandem.carriers.emnify.sim_batches import look_at_batch, register
from simtandem.carriers.emnify.sim_writer import change_sim
from simtandem.carriers.emnify.transport import Limits, Transport
from simtandem.carriers.host_slots import HostSlots, slots_file
from simtandem.carriers.http_call import trusted
from simtandem.carriers.protocol import (
    Change,
    Fresh,
    Journal,
    Listing,
    Selected,
    StepResult,
    Stops,
    always_fresh,
    never_stops,
)
from simtandem.carriers.rate_limit import CallBudget, Window
from simtandem.carriers.refused_tokens import refused_tokens
from simtandem.carriers.response_body import ACCEPT_ENCODING
from simtandem.carriers.sharing import ALONE, Shared, turn_of_host
from simtandem.carriers.sim_actions import ActionStep
from simtandem.domain.lifecycle import Lifecycle
from simtandem.domain.sim_actions import Batch
from simtandem.host import clock
from simtandem.host.other_homes import OtherHomes, shared_folder
from simtandem.selection.selection import Selection

log = logging.getLogger(__name__)

_AUTHENTICATIONS, _AUTHENTICATIONS_S = 95, 300.0  # 100 are allowed per address


@dataclass(frozen=True, slots=True)
class Account:
    """Where and as whom to call, and how much. `calls` in `window_s` seconds may be used, less the reserve."""

    base_url: str
    token: str = field(repr=False)
    calls: int
    window_s: float
    sim_concurrency: int
    home: Path
    name: str = DEFAULT

    @property
    def key(self) -> AccountKey:
        """What state that processes of this host share is kept under."""
        return AccountKey(self.name, host_of(self.base_url))


@dataclass(frozen=True, slots=True)
class Wire:
    """How calls leave this process and how time passes meanwhile. Other than this in tests only.

    `transport` takes the place of a connection to the carrier; `clock` is monotonic, in seconds; `notes` is the folder
    where homes of this host find one another.
    """

    transport: httpx.AsyncBaseTransport | None = None
    clock: Callable[[], float] = clock.steady
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    notes: Path | None = None


def _say_wait(seconds: float) -> None:
    progress.current().message(f"Waiting for the rate limit: it continues in about {math.ceil(seconds)} s.")


def _say_pause(seconds: float) -> None:
    progress.current().message(f"Rate-limited (HTTP 429): the next call is sent in {math.ceil(seconds)} s.")


def _say_other_homes(homes: OtherHomes, carrier_host: str) -> None:
    for user in homes.found():
        sentence = (
            f"Another home of this host, of user {user}, calls {carrier_host} as well. The carrier counts the calls "
            "of both together, simtandem does not: use one SIMTANDEM_HOME, or give each a share with SIMTANDEM_CALLS."
        )
        log.warning(sentence)
        progress.current().message(sentence)


class Emnify:
    """The emnify adapter. Use as an async context manager; nothing is called before it is asked something."""

    name = "emnify"

    def __init__(self, account: Account, journal: Journal, wire: Wire = Wire(), shared: Shared = ALONE) -> None:
        self.lifecycle: Lifecycle = EMNIFY
        slots = shared.slots or HostSlots(slots_file(account.home, account.key.file_name), clock=wire.clock)
        self.budget = CallBudget(slots, clock=wire.clock, sleep=wire.sleep, urgent=shared.urgent)
        self.budget.on_pause = _say_pause
        self.budget.on_wait = _say_wait
        host = host_of(account.base_url)
        home = Path("/", shared.place) if shared.place else account.home
        homes = OtherHomes(home, host, account.window_s, wire.notes or shared_folder())
        self.budget.on_use = partial(_say_other_homes, homes, host)
        self._http = Connections(
            keep=account.sim_concurrency + 8,
            base_url=account.base_url,
            transport=wire.transport,
            verify=trusted(account.base_url),
            follow_redirects=False,  # the server must not choose who gets the token next
            headers={
                "User-Agent": f"simtandem/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": ACCEPT_ENCODING,
            },
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # what is set there would be sent, and grow
        )
        limits = Limits(
            Window("calls", account.calls, account.window_s),
            Window("authenticate", _AUTHENTICATIONS, _AUTHENTICATIONS_S),
        )
        refused = refused_tokens(account.home, account.key)
        self._transport = Transport(self._http, self.budget, journal, limits, account.token, refused, sleep=wire.sleep)
        self._reader = Reader(self._transport, account.sim_concurrency, clock=wire.clock)
        lock = account.home / f"endpoint-writes-{account.key.file_name}.lock"
        turn = turn_of_host(lock, shared.endpoint_turn)
        self._endpoints = EndpointWriter(self._transport, self._reader, turn)
        self._actions = EndpointActions(self._transport, turn)

    async def find(self, devices: pl.DataFrame) -> Listing:
        """See `Carrier.find`."""
        return await self._reader.find(devices)

    async def read(self, pairs: pl.DataFrame, *, by_id: bool = False) -> pl.DataFrame:
        """See `Carrier.read`."""
        return await self._reader.read(pairs, by_id=by_id)

    def list_fleet(self) -> Coroutine[Any, Any, Listing]:
        """See `Carrier.list_fleet`."""
        return list_fleet(self._transport, self._reader.read)

    async def select(self, selection: Selection) -> Selected:
        """See `simtandem.carriers.protocol.SelectingCarrier.select`."""
        selected = await FleetSelection(self._transport, selection).select()
        self._reader.note_pages(selected.listing.pages)
        return replace(selected, listing=replace(selected.listing, refused=self._reader.unknown_statuses()))

    async def events(
        self, since: datetime, until: datetime, types: Sequence[int], iccids: Sequence[str] = ()
    ) -> pl.DataFrame:
        """See `Carrier.events`."""
        return await read_events(self._transport, since, until, types, iccids)

    async def read_owners(self, sims: Sequence[str], *, by_id: bool = False) -> pl.DataFrame:
        """See `Carrier.read_owners`."""
        return await self._reader.read_owners(sims, by_id=by_id)

    async def count_fleet(self) -> tuple[int, int]:
        """See `Carrier.count_fleet`."""
        return await self._reader.count_fleet()

    def change_sim(self, change: Change, *, fresh: Fresh = always_fresh) -> Coroutine[Any, Any, StepResult]:
        """See `Carrier.change_sim`."""
        return change_sim(self._transport, self._reader, change, fresh)

    async def change_endpoints(
        self, changes: Sequence[Change], *, stops: Stops = never_stops, fresh: Fresh = always_fresh
    ) -> list[StepResult]:
        """See `Carrier.change_endpoints`."""
        return await self._endpoints.change(changes, purpose="change", stops=stops, fresh=fresh)

    async def put_back_endpoints(self, changes: Sequence[Change], *, fresh: Fresh = always_fresh) -> list[StepResult]:
        """See `Carrier.put_back_endpoints`."""
        return await self._endpoints.change(changes, purpose="put_back", stops=never_stops, fresh=fresh)

    async def act(self, step: ActionStep, *, fresh: Fresh = always_fresh) -> StepResult:
        """See `simtandem.carriers.sim_actions.ActingCarrier.act`."""
        if step.action is SimAction.REGISTER_BATCH:
            return await register(self._transport, step, fresh)
        return await self._actions.act(step, fresh)

    async def look_at_batch(self, bic: str) -> Batch:
        """See `simtandem.carriers.sim_actions.ActingCarrier.look_at_batch`."""
        return await look_at_batch(self._transport, bic)

    def waiting_s(self) -> float:
        """See `Carrier.waiting_s`."""
        return self.budget.waiting_s()

    def halt_changes(self) -> None:
        """See `Carrier.halt_changes`."""
        self._transport.halt_changes()

    def allow_changes(self) -> None:
        """See `Carrier.allow_changes`."""
        self._transport.allow_changes()

    def halt(self) -> None:
        """See `Carrier.halt`."""
        self.budget.halt()

    def hold(self) -> None:
        """See `Carrier.hold`."""
        self.budget.hold()

    def resume(self) -> None:
        """See `Carrier.resume`."""
        self.budget.resume()

    async def aclose(self) -> None:
        """See `Carrier.aclose`."""
        await self._http.aclose()
        self.budget.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
