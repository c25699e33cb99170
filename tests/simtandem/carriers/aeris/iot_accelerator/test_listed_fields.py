"""Selecting from a company's subscriptions, and the plan of what was selected."""

from datetime import date
from pathlib import Path

from simtandem.carriers.aeris.iot_accelerator.carrier import Company, IotAccelerator
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.aeris.iot_accelerator.listed_fields import FIELDS
from simtandem.carriers.aeris.iot_accelerator.logins import Credentials
from simtandem.carriers.protocol import SelectingCarrier
from simtandem.emulator.iot_accelerator.server import COMPANY, PASSWORD, USERNAME, IotAcceleratorEmulator
from simtandem.selection.selection import Selection
from tests.simtandem.carriers.aeris.rig import network
from tests.simtandem.carriers.emnify.rig import MemoryJournal


async def test_what_every_subscription_shows_selects(
    emulator: IotAcceleratorEmulator, journal: MemoryJournal, tmp_path: Path
) -> None:
    credentials = Credentials(emulator.url, USERNAME, PASSWORD)
    carrier = IotAccelerator(Company(credentials, COMPANY, tmp_path), journal, transport=network())
    assert isinstance(carrier, SelectingCarrier)
    found: dict[str, int] = {}
    for text in ("sim_status = 'pause'", "not sim_status in ('Pause')", "iccid like '%' and imsi is not null"):
        selected = await carrier.select(Selection.of(text, FIELDS, IOT_ACCELERATOR, date(2026, 3, 31)))
        assert (selected.listing.whole, selected.listed, selected.complete) == (True, 6, True)
        found[text] = selected.rows.height
    await carrier.aclose()
    assert [*found.values()] == [1, 5, 6]
    assert {call.path for call in journal.calls if call.method == "GET"} == {"/iot/api/subscriptions/details"}
