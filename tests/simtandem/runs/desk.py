"""A run that is ready to send, with its carrier and its clock, where others may move devices meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.ledger.journal import CallWriter
from simtandem.runs.apply import Applying
from simtandem.runs.run import Run
from tests.simtandem.model_fleet import ModelFleet
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import prepare
from tests.simtandem.runs.sending import send_all

TESTING = (SimStatus.FACTORY_TEST, EndpointStatus.ENABLED)
RESTING = (SimStatus.ISSUED, EndpointStatus.DISABLED)


@dataclass
class Time:
    """A monotonic clock that passes when it is told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def passes(self) -> None:
        """More than a minute."""
        self.now += 61


@dataclass
class Desk:
    """A run that is ready to send, its carrier and its clock."""

    run: Run
    carrier: ActingCarrier
    time: Time = field(default_factory=Time)

    @property
    def fleet(self) -> ModelFleet:
        return self.carrier.fleet

    def move(self, number: int, sim: SimStatus, endpoint: EndpointStatus) -> None:
        """Somebody changes a device in the portal."""
        self.fleet.devices[number - 1].sim, self.fleet.devices[number - 1].endpoint = sim, endpoint

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[Applying]:
        async with CallWriter(self.run.ledger, self.run.run_id) as journal:
            self.carrier.journal = journal
            applying = Applying(self.run, self.carrier, journal, steady=self.time)
            async with applying.turn():
                yield applying

    async def send_all(self) -> None:
        async with self.sending() as applying:
            await send_all(applying)


async def sit_down(run: Run, fleet: ModelFleet) -> Desk:
    """A desk with the plan made; `carrier.reads` begins with what is read after that."""
    desk = Desk(run, ActingCarrier(fleet))
    await prepare(run, desk.carrier)
    return desk


def age(run: Run, by: timedelta) -> None:
    """The listing was begun earlier than it says."""
    listing = run.folder.listing()
    run.folder.save("listing.json", {**listing, "begun": (run.ledger.clock() - by).isoformat()})
