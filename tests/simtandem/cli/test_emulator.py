from pathlib import Path

import pytest

from simtandem.cli.emulator import show_start, write_ids
from simtandem.emulator.seeding import build_fleet
from simtandem.errors import InputError


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
