"""The document names every setting with its default, and every kind of fault."""

from dataclasses import fields

import pytest

from simtandem.emulator.front_door import HttpFaultRule
from simtandem.emulator.iot_accelerator.behaviour import IotAcceleratorBehaviour
from simtandem.emulator.iot_accelerator.company import IotFaultRule, TicketFault
from tests.simtandem.emulator.setting_rows import defaults, section, told_defaults

SECTION = section("IoT Accelerator")
OWN_FIELDS = {each.name for each in fields(IotFaultRule)} - {each.name for each in fields(HttpFaultRule)}


def test_settings_are_documented_with_their_defaults() -> None:
    assert told_defaults(SECTION) == defaults(IotAcceleratorBehaviour)


@pytest.mark.parametrize("name", [*TicketFault, *sorted(OWN_FIELDS)])
def test_faults_are_documented(name: str) -> None:
    assert f"`{name}`" in SECTION
