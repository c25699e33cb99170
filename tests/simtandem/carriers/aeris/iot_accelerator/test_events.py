"""The history of changes as events: who asked, what a schedule or a trigger did, and nothing of other SIMs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from schemas.event_types import EventSource
from schemas.statuses import Cause
from schemas.tables import Changes, Events, Steps, empty
from simtandem.carriers.aeris.iot_accelerator.carrier import Company, IotAccelerator
from simtandem.carriers.aeris.iot_accelerator.events import as_events
from simtandem.carriers.aeris.iot_accelerator.history import StateChanged
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.aeris.iot_accelerator.logins import Credentials
from simtandem.domain import attribution
from simtandem.emulator.iot_accelerator.server import (
    COMPANY,
    PASSWORD,
    USERNAME,
    IotAcceleratorEmulator,
    State,
    SubscriptionGroup,
)
from simtandem.errors import CarrierUnavailable
from tests.simtandem.carriers.aeris.rig import network
from tests.simtandem.carriers.emnify.rig import MemoryJournal

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ICCID, IMSI = "99987100783000000001", "100783000000001"


def changed(operation: str = "CHANGE_SUBSCRIPTIONSTATE", **other: object) -> StateChanged:
    usual = {"at": NOON, "imsi": IMSI, "operation": operation, "by": "ann@example.com", "ticket": "REQ1"}
    return StateChanged(**{**usual, "state_word": "PAUSE", **other})  # type: ignore[arg-type]


def paused() -> pl.DataFrame:
    """A change that was seen between two looks."""
    moment = pl.Datetime("ms", "UTC")
    return pl.DataFrame(
        [("sim", ICCID, ICCID, ICCID, None, "ACTIVE", "PAUSE", NOON - timedelta(hours=1), NOON + timedelta(hours=1))],
        schema=empty(Changes).schema | {"since": moment, "seen": moment},
        orient="row",
    )


@pytest.mark.parametrize(
    ("operation", "source", "user", "cause"),
    [
        ("CHANGE_SUBSCRIPTIONSTATE", EventSource.API, "ann@example.com", Cause.SOMEBODY),
        ("TIME_BASED_CHANGE_SUBSCRIPTIONSTATE", EventSource.POLICY_CONTROL, None, Cause.AUTOMATIC),
        ("TRIGGER_ACTION", EventSource.POLICY_CONTROL, None, Cause.AUTOMATIC),
    ],
)
def test_a_change_is_somebodys_or_automatic_by_its_operation(
    operation: str, source: EventSource, user: str | None, cause: Cause
) -> None:
    events = Events.validate(as_events([changed(operation)], {IMSI: ICCID}, IOT_ACCELERATOR))
    assert events.select("source", "user", "sim_id").row(0) == (source.value, user, ICCID)
    told = attribution.explain(paused(), empty(Steps), events, IOT_ACCELERATOR.events, NOON + timedelta(hours=2))
    assert told["cause"].to_list() == [cause]


def test_what_is_of_another_sim_or_said_twice_is_no_event_more() -> None:
    changes = [changed(), changed(), changed(imsi="100783000000002")]
    events = as_events(changes, {IMSI: ICCID}, IOT_ACCELERATOR)
    assert events.height == 1
    assert as_events([changed(state_word="BRAND_NEW")], {IMSI: ICCID}, IOT_ACCELERATOR)["type"].to_list() == [0]


@pytest.fixture
def emulator() -> Iterator[IotAcceleratorEmulator]:
    with IotAcceleratorEmulator([SubscriptionGroup(3, State.ACTIVE)], work_s=0.0) as emulator:
        yield emulator


def carrier(emulator: IotAcceleratorEmulator, home: Path, *, within_s: float = 5.0) -> IotAccelerator:
    company = Company(
        Credentials(emulator.url, USERNAME, PASSWORD), COMPANY, home, poll_s=0.05, shows_within_s=within_s
    )
    return IotAccelerator(company, MemoryJournal(), transport=network())


async def asked_for(emulator: IotAcceleratorEmulator, to: IotAccelerator) -> str:
    """One SIM paused by a request; its ICCID."""
    iccid: str = emulator.change(lambda site: site.inventory.subscriptions[0].icc)
    await to._client.submit("ICC", [iccid], "PAUSE")
    return iccid


async def test_the_history_of_some_sims_and_of_the_company_is_read(
    emulator: IotAcceleratorEmulator, tmp_path: Path
) -> None:
    emulator.configure(changes_ready_s=0.2)
    reader = carrier(emulator, tmp_path)
    iccid = await asked_for(emulator, reader)
    since, until = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(minutes=1)
    types = IOT_ACCELERATOR.events.into(["PAUSE"])
    for iccids in ([iccid], []):
        events = Events.validate(await reader.events(since, until, types, iccids))
        assert events.select("sim_id", "user", "type").rows() == [(iccid, USERNAME, *types)]
    assert (await reader.events(since, until, IOT_ACCELERATOR.events.into(["ACTIVE"]), [iccid])).is_empty()
    await reader.aclose()


async def test_a_history_that_never_gets_ready_ends(emulator: IotAcceleratorEmulator, tmp_path: Path) -> None:
    emulator.configure(changes_ready_s=3600.0)
    reader = carrier(emulator, tmp_path, within_s=0.2)
    iccid = await asked_for(emulator, reader)
    with pytest.raises(CarrierUnavailable, match="not ready"):
        await reader.events(datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC), (), [iccid])
    await reader.aclose()


def test_its_history_goes_back_three_months() -> None:
    later = NOON + timedelta(days=60)
    assert attribution.window(paused(), later) is None
    assert attribution.window(paused(), later, IOT_ACCELERATOR.events.kept) is not None
