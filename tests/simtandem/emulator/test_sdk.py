"""The carrier's official SDK works against the emulator as it does against the carrier."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.simtandem.emulator.emnify_sdk import python_with_sdk

SIM, ENDPOINT, MANY = 10_000_001, 20_000_001, 1100
PROGRAM = Path(__file__).with_name("sdk_program.py")


@pytest.fixture(scope="module")
def fleet() -> Iterator[Emulator]:
    """A pair in use, an Issued SIM on its own, two SIMs of a batch, and more devices than fit on a page."""
    groups = [
        Group(1, SimStatus.ACTIVATED, EndpointStatus.ENABLED),
        Group(1, SimStatus.ISSUED, None),
        Group(2, SimStatus.ISSUED, None, bic="BIC-1"),
        Group(MANY),
    ]
    with Emulator(groups, path_limits=False) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def done(fleet: Emulator) -> Any:
    """What came of each step of the program."""
    command: list[str | Path] = [python_with_sdk(), PROGRAM, fleet.token, str(SIM + 1), str(ENDPOINT)]
    address = {"EMNIFY_SDK_API_ENDPOINT_URL": f"{fleet.url}/api"}
    ran = subprocess.run(command, env=address, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_devices_and_sims_are_listed_filtered_and_sorted_page_by_page(done: Any) -> None:
    assert done["listing"] == {
        "devices": MANY + 1,
        "filtered": [ENDPOINT],
        "by_sim_status": 1,
        "sims": MANY + 4,
        "sims_alone": [SIM + 1, SIM + 2, SIM + 3],
        "sim_by_iccid": [SIM + 1],
        "device_of_sim": ENDPOINT,
    }


def test_a_device_is_created_given_a_sim_enabled_renamed_disabled_released_and_deleted(
    done: Any, fleet: Emulator
) -> None:
    device = {"name": "SDK device", "tags": "sdk", "status": "Disabled", "sim": None, "sim_status": None}
    with_sim = device | {"sim": SIM + 1, "sim_status": "Issued"}
    enabled = with_sim | {"status": "Enabled", "sim_status": "Activated"}
    renamed = enabled | {"name": "renamed", "tags": "a,b"}
    disabled = renamed | {"status": "Disabled", "sim_status": "Suspended"}
    assert done["living"] == {
        "created": device,
        "assigned": with_sim,
        "enabled": enabled,
        "renamed": renamed,
        "disabled": disabled,
        "released": disabled | {"sim": None, "sim_status": None},
        "spare_sim": "Suspended",
    }
    assert done["created"] not in fleet.fleet.endpoints


def test_a_device_in_use_is_deleted_and_its_sim_suspended(done: Any, fleet: Emulator) -> None:
    assert done["deleting"] == {"events": [], "sim": "Suspended", "device": None}
    assert ENDPOINT not in fleet.fleet.endpoints


def test_mistakes_are_told_as_recorded(done: Any) -> None:
    mistakes = done["mistakes"]
    assert mistakes["token"] == "UnauthorisedException: Invalid Application Token"
    assert "'error_code': 1401" in mistakes["id"]
    assert "Endpoint with Id '-1' not found." in mistakes["id"]
    assert "'error_code': 1000" in mistakes["no_id"]
    assert "'error_code': 1400, 'error_token': 'InputValidationFailed'" in mistakes["profile"]
    assert "Service profile with Id '-1' not found." in mistakes["profile"]
    assert mistakes["bic"] == "ValidationErrorException: Invalid bic number"


def test_sims_are_registered_by_their_batch(done: Any) -> None:
    assert done["registered"] == [SIM + 2, SIM + 3]


def test_network_calls_work(done: Any) -> None:
    network = done["network"]
    assert "is already blacklisted on Endpoint with Id" in network.pop("twice")
    assert network == {
        "blocked": True,
        "unblocked": [],
        "sms": ["hello"],
        "reset": True,
        "connectivity": "OFFLINE",
    }
