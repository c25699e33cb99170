from pathlib import Path
from typing import Any

import pytest

from simtandem.carriers.registry import lifecycle_of
from simtandem.cli.aeris_emulators import settings_for
from simtandem.cli.aeris_emulators import show_start as show_start_of
from simtandem.cli.emulator import emulator, show_start, write_ids
from simtandem.emulator.aeradmin.server import AerAdminEmulator
from simtandem.emulator.iot_accelerator.server import IotAcceleratorEmulator
from simtandem.emulator.seeding import build_fleet
from simtandem.errors import InputError
from simtandem.intake import parse_target, read_devices


@pytest.mark.parametrize("devices", [1, 19, 1000])
def test_the_ids_that_are_shown_and_written_are_those_of_the_fleet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], devices: int
) -> None:
    file, fleet = tmp_path / "my devices.csv", build_fleet(devices, lambda: 0.0)
    write_ids(file, devices)
    header, *written = file.read_text().splitlines()
    assert header == "sim_id"
    assert sorted(map(int, written)) == sorted(fleet.sims)
    show_start("http://127.0.0.1:1", devices, file)
    shown = capsys.readouterr().out
    for ids in (fleet.sims, fleet.endpoints):
        assert (f"{min(ids)} to {max(ids)}" if len(ids) > 1 else str(min(ids))) in shown
    assert f"simtandem plan '{file}' --to activated" in shown


def test_a_fleet_of_none_has_no_ids(capsys: pytest.CaptureFixture[str]) -> None:
    show_start("http://127.0.0.1:1", 0, None)
    assert "SIM ids" not in capsys.readouterr().out


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("mine")
    with pytest.raises(InputError, match="such a file already"):
        write_ids(file, 3)
    assert file.read_text() == "mine"
    with pytest.raises(InputError, match="can't be written"):
        write_ids(tmp_path / "none" / "x.csv", 3)


def test_settings_lead_to_each_of_aeris_emulators() -> None:
    told = {carrier: settings_for(carrier, "http://127.0.0.1:1") for carrier in ("aeradmin", "iot-accelerator")}
    assert [each["SIMTANDEM_CARRIER"] for each in told.values()] == list(told)
    assert "SIMTANDEM_AERADMIN_CHANGE_PATH" not in told["aeradmin"]


@pytest.mark.parametrize("carrier", ["aeradmin", "iot-accelerator"])
def test_the_ids_of_aeris_emulators_are_written_as_a_list_that_their_carrier_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], carrier: str
) -> None:
    file, lifecycle = tmp_path / "devices.csv", lifecycle_of(carrier)
    write_ids(file, 30, carrier)
    goal = parse_target(lifecycle.goals[0].word, lifecycle)
    iccids = read_devices(file, goal, lifecycle=lifecycle).devices["iccid"].to_list()
    kind = AerAdminEmulator if carrier == "aeradmin" else IotAcceleratorEmulator
    with kind(30) as emulator:
        assert iccids == emulator.change(_iccids)
    show_start_of(carrier, "http://127.0.0.1:1", 30, file)
    assert f"simtandem plan {file} --to {lifecycle.goals[0].word}" in capsys.readouterr().out


def _iccids(site: Any) -> list[str]:
    if hasattr(site, "inventory"):
        return [each.icc for each in site.inventory.subscriptions]
    return [each.iccid for each in site.fleet.profiles()]


def test_a_carrier_that_has_no_emulator_is_refused() -> None:
    with pytest.raises(InputError, match="use emnify, aeradmin or iot-accelerator"):
        emulator(carrier="other")
