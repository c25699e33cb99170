"""The emulator's document names every setting, every kind of fault and every control call."""

from dataclasses import fields
from pathlib import Path

import pytest

from simtandem.emulator.behaviour import Behaviour
from simtandem.emulator.faults import FaultKind, FaultRule

DOCUMENT = (Path(__file__).parents[3] / "docs" / "emulator.md").read_text()


@pytest.mark.parametrize("name", [*(each.name for each in fields(Behaviour)), *FaultKind])
def test_settings_and_faults_are_documented(name: str) -> None:
    assert f"`{name}`" in DOCUMENT


def test_defaults_are_documented_as_they_are() -> None:
    rows = {line.split("`")[1]: line for line in DOCUMENT.splitlines() if line.startswith("| `")}
    for setting in (
        "same_status",
        "illegal_move",
        "bulk",
        "overlapping_writes",
        "unknown_fields",
        "text_filter",
        "role",
    ):
        told = rows[setting].split("|")[2].strip().strip("`")
        assert told == str(getattr(Behaviour(), setting))


def test_fields_of_a_fault_are_documented() -> None:
    assert [each.name for each in fields(FaultRule) if each.init and f"`{each.name}`" not in DOCUMENT] == []
