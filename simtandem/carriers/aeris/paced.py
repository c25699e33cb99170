"""What both of Aeris's platforms have in common as carriers: one half, a call budget, and no second half, no owners."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

import polars as pl

from schemas.tables import Inventory, empty
from simtandem import progress
from simtandem.carriers.host_slots import HostSlots, slots_file
from simtandem.carriers.http_call import Kind, Reply
from simtandem.carriers.protocol import Change, Fresh, Listing, StepResult, Stops, always_fresh, never_stops
from simtandem.carriers.rate_limit import CallBudget
from simtandem.carriers.refused_tokens import Refusal, refused_by_name
from simtandem.carriers.sharing import Shared
from simtandem.domain.abilities import Ability, without
from simtandem.domain.device_ids import told_apart
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import AuthenticationFailed, CarrierRefused, CarrierUnavailable, Interrupted

ATTEMPTS = 6
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.25, 8.0
_INVENTORY = empty(Inventory).schema


TRY_AGAIN = " What was refused is not tried again; to try it once more, run `simtandem retry-token` first."


def known_refused(refusal: Refusal, what: str) -> AuthenticationFailed:
    """What is raised instead of a call where an earlier one was refused with the same login."""
    return AuthenticationFailed(f"Aeris refused {what} at {refusal.when}: {refusal.said}. Nothing was sent.{TRY_AGAIN}")


class Answered(Protocol):
    """An answer with its reply."""

    @property
    def reply(self) -> Reply:
        """How it was answered."""
        ...


A = TypeVar("A", bound=Answered)


def login_refused(reply: Reply) -> AuthenticationFailed:
    """What is raised where a token that was just made, or the login, is refused with this reply."""
    return AuthenticationFailed(
        f"Aeris refuses the user name or the password: {reply.sentence}. Check SIMTANDEM_IOT_ACCELERATOR_USERNAME and "
        "SIMTANDEM_IOT_ACCELERATOR_PASSWORD, or `iot_accelerator_username` and `token` of the named account, then run "
        f"again.{TRY_AGAIN}"
    )


async def persist(
    ask: Callable[[int], Awaitable[A]], refused: Callable[[Reply], AuthenticationFailed] = login_refused
) -> A:
    """Ask, numbered from 1, until there is an answer that can be used, or a refusal, which is returned as well.

    Raises `AuthenticationFailed` where the key or the password is not accepted, and `CarrierUnavailable` in the end.
    """
    answer = await ask(1)
    for attempt in range(2, ATTEMPTS + 1):
        if answer.reply.kind is Kind.UNAUTHORIZED:
            raise refused(answer.reply)
        if answer.reply.kind in (Kind.OK, Kind.REFUSED):
            return answer
        await pause(attempt - 1)
        answer = await ask(attempt)
    if answer.reply.kind in (Kind.OK, Kind.REFUSED):
        return answer
    raise CarrierUnavailable(f"Aeris: {answer.reply.sentence}, {ATTEMPTS} times.", status=answer.reply.status)


async def pause(attempt: int) -> None:
    """Wait before the next attempt, longer each time."""
    await asyncio.sleep(min(_FIRST_DELAY_S * 2.0 ** (attempt - 1), _LONGEST_DELAY_S))


def devices(rows: Sequence[tuple[str, str, str | None]]) -> pl.DataFrame:
    """An inventory of SIMs: their ids, their ICCIDs, and their statuses."""
    return pl.DataFrame(
        [(sim, iccid, status, None, None) for sim, iccid, status in rows], schema=_INVENTORY, orient="row"
    )


def asked_ids(devices_asked: pl.DataFrame, lifecycle: Lifecycle) -> dict[str, dict[str, str]]:
    """The ids of `schemas.tables.Devices` by their kind: each as it was handed on, and what the carrier calls it."""
    by_kind: dict[str, dict[str, str]] = {}
    for column in ("iccid", "sim_id"):
        for ident in devices_asked[column].drop_nulls().unique(maintain_order=True):
            kind, bare = told_apart(ident, lifecycle.ids)
            by_kind.setdefault(kind, {})[ident] = bare
    return by_kind


def found(
    rows: Mapping[str, tuple[str, str | None]],
    refused: Mapping[str, str],
    *,
    pages: int | None = None,
    assumed: Collection[str] = (),
) -> Listing:
    """What a carrier that reads by id alone has found: SIM's id and status, by the id that was asked for."""
    inventory = devices([(sim, sim, status) for sim, status in dict.fromkeys(rows.values())])
    named = {ident: sim for ident, (sim, _) in rows.items() if ident != sim}
    told = {(kind, ident): why for ident, why in refused.items() for kind in ("sim_id", "iccid")}
    return Listing(
        inventory,
        whole=False,
        sims=None,
        activated=None,
        refused=told,
        pages=pages,
        assumed=assumed,
        named=named,
    )


def same_sim(one: str, other: str) -> bool:
    """Whether both are one ICCID. It has 19 digits or 20, and may come back with or without its last one."""
    short, long = sorted((one, other), key=len)
    return one == other or (len(short) == 19 and len(long) == 20 and long.startswith(short))


class PacedCarrier:
    """The parts of `simtandem.carriers.protocol.Carrier` that both platforms answer alike."""

    lifecycle: Lifecycle

    def __init__(self, home: Path, state_name: str, shared: Shared) -> None:
        name = state_name.replace(":", "_")
        slots = shared.slots or HostSlots(slots_file(home, name))
        self.refused = refused_by_name(home, name)
        self.budget = CallBudget(slots, urgent=shared.urgent)
        self.budget.on_pause = _say_pause
        self.budget.on_wait = _say_wait
        self._changes_halted = False

    def fresh_and_allowed(self, fresh: Fresh) -> Fresh:
        """As `fresh`; raises `Interrupted` once nothing more is to be changed."""

        def asked() -> bool:
            if self._changes_halted:
                raise Interrupted("Stopped before this change was sent.")
            return fresh()

        return asked

    def lacking(self, ability: Ability) -> CarrierRefused:
        """What is raised where this carrier can't do it; `Lifecycle.abilities` says so before."""
        return CarrierRefused(without(self.lifecycle.carrier, ability, "nothing was sent"), "not_here")

    async def read_owners(
        self,
        sims: Sequence[str],  # noqa: ARG002 - the protocol's, as the others
        *,
        by_id: bool = False,  # noqa: ARG002
    ) -> pl.DataFrame:
        """Not here: see `Lifecycle.abilities`."""
        raise self.lacking(Ability.OWNERS)

    async def events(
        self,
        since: datetime,  # noqa: ARG002 - the protocol's, as the others
        until: datetime,  # noqa: ARG002
        types: Sequence[int],  # noqa: ARG002
        iccids: Sequence[str] = (),  # noqa: ARG002
    ) -> pl.DataFrame:
        """Not here: see `Lifecycle.abilities`."""
        raise self.lacking(Ability.EVENTS)

    async def change_endpoints(
        self,
        changes: Sequence[Change],
        *,
        stops: Stops = never_stops,  # noqa: ARG002 - the protocol's
        fresh: Fresh = always_fresh,  # noqa: ARG002 - the protocol's
    ) -> list[StepResult]:
        """There are no endpoints, so there is nothing to change."""
        if changes:
            raise CarrierRefused(f"{self.lifecycle.carrier} has no endpoints. Nothing was sent.", "not_here")
        return []

    async def put_back_endpoints(self, changes: Sequence[Change], *, fresh: Fresh = always_fresh) -> list[StepResult]:
        """As `change_endpoints`."""
        return await self.change_endpoints(changes, fresh=fresh)

    def waiting_s(self) -> float:
        """See `Carrier.waiting_s`."""
        return self.budget.waiting_s()

    def halt_changes(self) -> None:
        """See `Carrier.halt_changes`."""
        self._changes_halted = True

    def allow_changes(self) -> None:
        """See `Carrier.allow_changes`."""
        self._changes_halted = False

    def halt(self) -> None:
        """See `Carrier.halt`."""
        self.budget.halt()

    def hold(self) -> None:
        """See `Carrier.hold`."""
        self.budget.hold()

    def resume(self) -> None:
        """See `Carrier.resume`."""
        self.budget.resume()


def _say_wait(seconds: float) -> None:
    progress.current().message(f"Waiting for the rate limit: it continues in about {math.ceil(seconds)} s.")


def _say_pause(seconds: float) -> None:
    progress.current().message(f"Rate-limited (HTTP 429): the next call is sent in {math.ceil(seconds)} s.")
