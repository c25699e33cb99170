"""Whose waves a run has, and what is refused before anything is read."""

from pathlib import Path

import pytest

from schemas.parameters import BulkUpdate
from schemas.waves import WaveCheck
from simtandem.errors import InputError
from simtandem.runs.pacing import pacing_of
from simtandem.settings import Settings


def asked(**others: object) -> BulkUpdate:
    return BulkUpdate(file="a.csv", **others)  # type: ignore[arg-type]  # the model checks them


@pytest.mark.parametrize(("waves", "read"), [("", ["5"]), ("1,2,rest", ["1", "2"]), ("rest", [])])
def test_settings_have_waves_for_runs_that_name_none(tmp_path: Path, waves: str, read: list[str]) -> None:
    settings = Settings(home=tmp_path, waves="5,rest", wave_limit="3")
    pacing = pacing_of(asked(waves=waves), settings)
    assert [str(size) for size in pacing.sizes] == read
    assert str(pacing.limit) == "3"


@pytest.mark.parametrize("others", [{"wave_approval": True}, {"wave_limit": "1"}, {"wave_check": WaveCheck.ATTACHED}])
def test_what_asks_about_waves_needs_some(tmp_path: Path, others: dict[str, object]) -> None:
    with pytest.raises(InputError, match="none are named"):
        pacing_of(asked(**others), Settings(home=tmp_path))


def test_a_carrier_without_events_checks_none(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, carrier="iot-accelerator")
    with pytest.raises(InputError, match=r"list events.*leave out --wave-check"):
        pacing_of(asked(waves="1,rest", wave_check=WaveCheck.NO_ALERTS), settings)
