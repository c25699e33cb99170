"""The document names every setting with its default, and every kind of fault."""

from dataclasses import fields

import pytest

from simtandem.emulator.aeradmin.behaviour import AerAdminBehaviour
from simtandem.emulator.front_door import HttpFault, HttpFaultRule
from tests.simtandem.emulator.setting_rows import defaults, section, told_defaults

SECTION = section("AerAdmin 5")


def test_settings_are_documented_with_their_defaults() -> None:
    assert told_defaults(SECTION) == defaults(AerAdminBehaviour)


@pytest.mark.parametrize("name", [*HttpFault, *(each.name for each in fields(HttpFaultRule) if each.init)])
def test_faults_are_documented(name: str) -> None:
    assert f"`{name}`" in SECTION
