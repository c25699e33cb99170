"""Lists that were packed with gzip."""

import gzip
from pathlib import Path

import pytest

from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.errors import InputError
from simtandem.intake import Bounds, read_devices
from simtandem.intake.gzip_data import unpacked

LIST = b"sim_id,status\n1,activated\n2,suspended\n"
PACKED = gzip.compress(LIST, mtime=0)
SMALL = Bounds(megabytes=1)


@pytest.mark.parametrize(
    "data", [LIST, PACKED, gzip.compress(LIST[:10], mtime=0) + gzip.compress(LIST[10:], mtime=0), b""]
)
def test_a_packed_list_is_unpacked_and_another_is_left_as_it_is(data: bytes) -> None:
    assert unpacked(data, SMALL) == (LIST if data else b"")


@pytest.mark.parametrize(
    "data", [PACKED[:-6], PACKED + b"more", PACKED[:2], PACKED[:12] + b"\xff" * 9, PACKED * 2 + b"x"]
)
def test_a_damaged_archive_is_named_and_nothing_of_it_is_used(data: bytes) -> None:
    with pytest.raises(InputError, match="damaged or cut short"):
        unpacked(data, SMALL)


@pytest.mark.parametrize("parts", [1, 3])
def test_no_more_is_unpacked_than_a_list_may_have(parts: int) -> None:
    bomb = gzip.compress(b"\0" * ((1 << 20) // parts + 2)) * parts
    with pytest.raises(InputError, match="at most 1 MB are read"):
        unpacked(bomb, SMALL)
    assert len(unpacked(gzip.compress(b"\0" * (1 << 20)), SMALL)) == 1 << 20, "just as much as is allowed"


def test_a_packed_file_gives_the_devices_in_it_and_the_rows_they_have_there(tmp_path: Path) -> None:
    file = tmp_path / "devices.csv.gz"
    file.write_bytes(PACKED)
    intake = read_devices(file, lifecycle=EMNIFY)
    assert intake.devices.select("row", "sim_id", "desired").rows() == [(2, "1", "activated"), (3, "2", "suspended")]
    assert intake.file == "devices.csv.gz"


def test_what_is_wrong_in_a_packed_file_is_said_of_that_file(tmp_path: Path) -> None:
    file = tmp_path / "devices.csv.gz"
    file.write_bytes(PACKED[:-6])
    with pytest.raises(InputError, match=r"^devices\.csv\.gz: the gzip archive is damaged"):
        read_devices(file, lifecycle=EMNIFY)
