"""The document names every setting with its default, and every kind of fault."""

from dataclasses import fields
from pathlib import Path

import pytest

from simtandem.emulator.aeradmin.behaviour import AerAdminBehaviour
from simtandem.emulator.front_door import HttpFault, HttpFaultRule

DOCUMENT = (Path(__file__).parents[4] / "docs" / "emulator.md").read_text()
SECTION = DOCUMENT.split("## AerAdmin 5")[1].split("\n## ")[0]


@pytest.mark.parametrize("name", [*(each.name for each in fields(AerAdminBehaviour)), *HttpFault])
def test_settings_and_faults_are_documented(name: str) -> None:
    assert f"`{name}`" in SECTION


def test_fields_of_a_fault_are_documented() -> None:
    assert [each.name for each in fields(HttpFaultRule) if each.init and f"`{each.name}`" not in DOCUMENT] == []


def test_defaults_are_documented_as_they_are() -> None:
    rows = [line.split("|") for line in SECTION.splitlines() if line.startswith("| `") and "/_emulator" not in line]
    told = {
        name.strip(" `"): value.strip(" `")
        for row in rows
        for names, values in [(row[1].split(","), row[2].split(","))]
        for name, value in zip(names, values if len(values) == len(names) else values * len(names), strict=True)
    }
    for field in fields(AerAdminBehaviour):
        default = field.default
        shown = (
            str(default).lower()
            if isinstance(default, bool)
            else f"{default:g}"
            if isinstance(default, float)
            else str(default)
        )
        assert told[field.name] == shown
