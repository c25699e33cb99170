"""Which functions a call passes through: those that docs/architecture.md shows, in that order."""

import re
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from flows.bulk_update import bulk_update
from flows.fleet_audit import fleet_audit
from schemas.parameters import BulkUpdate, Mode, Wish
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.flows.call_path import call_paths

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("prefect_client")]
FIRST = 10_000_001
PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


def shown(command: str) -> list[str]:
    """The functions that the picture of a call's way names, outermost first."""
    text = PAGE.read_text(encoding="utf-8")
    [picture] = re.findall(rf"^{command} → .*\n((?:  .*\n)+)", text, re.MULTILINE)
    return [line.split()[0] for line in picture.splitlines()]


async def test_the_way_from_a_run_to_a_patch(emulator: Emulator, tmp_path: Path) -> None:
    emulator.refill([Group(1)])
    file = tmp_path / "devices.csv"
    file.write_text(f"sim_id\n{FIRST}\n")

    with call_paths() as paths:
        params = BulkUpdate(file=str(file), to=Wish.ACTIVATED, mode=Mode.APPLY)
        state: State[Any] = await bulk_update(params, return_state=True)

    assert state.is_completed()
    assert paths.found[f"PATCH /api/v1/sim/{FIRST}"] == shown("apply")


async def test_the_way_from_an_audit_to_a_listing(emulator: Emulator) -> None:
    emulator.refill([Group(1)])

    with call_paths() as paths:
        await fleet_audit(return_state=True)

    assert paths.found["GET /api/v1/endpoint"] == shown("audit")
