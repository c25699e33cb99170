"""Whatever a path leads to: read as it is, or told for what it is, within bounds."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from schemas.statuses import Target
from simtandem.errors import InputError
from simtandem.intake import Bounds
from simtandem.intake.device_file import read_file, shown
from tests.simtandem.emnify_lists import read_devices

LIST = b"sim_id,status\n1,activated\n"
SMALL = Bounds(megabytes=1)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a short path, as sockets need one."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield Path()
    os.chdir(before)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(20 << 30)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def looping(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (Path.mkdir, "this is a directory"),
        (os.mkfifo, "no program writes into this pipe"),
        (listening, "this is a socket"),
        (sparse, "is 20,480 MB large; at most 1,024 MB are read (SIMTANDEM_MAX_FILE_MB)"),
        (lambda path: path.symlink_to("/dev/zero"), "this is a device or a terminal"),
        (lambda path: path.symlink_to("/dev/null"), "this is a device or a terminal"),
        (looping, "the file can't be read"),
        (lambda path: path.symlink_to("nowhere"), "there is no such file"),
        (lambda path: path.touch(), "the file is empty"),
    ],
)
def test_what_is_no_list_is_told_for_what_it_is(folder: Path, make: Callable[[Path], None], says: str) -> None:
    path = folder / "devices.csv"
    make(path)
    with pytest.raises(InputError) as told:
        read_devices(path)
    assert says in str(told.value)
    assert "Nothing was sent." in str(told.value)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "devices.csv/devices.csv"])
def test_a_path_that_no_file_can_have_is_told(folder: Path, name: str) -> None:
    (folder / "devices.csv").write_bytes(LIST)
    with pytest.raises(InputError, match=r"Nothing was sent\."):
        read_file(folder / name, SMALL)


def test_a_pipe_is_read_until_its_writer_closes_it(folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(LIST * 10_000))
    writer.start()
    assert read_file(pipe, SMALL) == LIST * 10_000
    writer.join()


def test_a_pipe_without_an_end_is_left_at_the_bound(folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with suppress(BrokenPipeError), pipe.open("wb", buffering=0) as out:
            while True:
                out.write(bytes(1 << 16))

    writer = threading.Thread(target=write)
    writer.start()
    with pytest.raises(InputError, match="the file does not end; at most 1 MB are read"):
        read_file(pipe, SMALL)
    writer.join()


@pytest.mark.parametrize("change", [lambda file: file.truncate(5), lambda file: file.write(LIST)])
def test_a_file_that_changes_while_it_is_read_is_not_used(
    folder: Path, change: Callable[[object], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "devices.csv"
    path.write_bytes(LIST)
    read, changes = os.read, [change]

    def read_and_change(descriptor: int, count: int) -> bytes:
        data = read(descriptor, count)
        if changes:
            with path.open("ab") as file:
                changes.pop()(file)
        return data

    monkeypatch.setattr(os, "read", read_and_change)
    with pytest.raises(InputError, match="the file changed while it was read"):
        read_file(path, SMALL)


def test_a_file_that_nobody_may_read_is_told(folder: Path) -> None:
    path = folder / "devices.csv"
    path.write_bytes(LIST)
    path.chmod(0)
    child = os.fork()
    if child == 0:  # as somebody whom rights bind
        try:
            if os.getuid() == 0:
                os.setuid(65_534)
            read_file(path, SMALL)
        except InputError as told:
            os._exit(0 if "ermission denied" in str(told) else 2)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04" + b"[Content_Types].xml", "the workbook is damaged or no Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook of an old Excel (.xls)"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\x1f\x8b\x08", "the gzip archive is damaged"),
        (b"PAR1", "a Parquet file"),
        (b"BZh9", "a bzip2 archive"),
        (b"sim_id\n1\n\0", "not a text file: its byte 10 is NUL"),
        (b"\xff\xfe\0\xd8\n\0", "its encoding is none of UTF-8, UTF-16 and cp1252"),
        (b"x" * (17 << 20), "a line of more than 16 MB"),
        (b"sim_id," + b"x," * 100_000 + b"\n1\n", "the header has 100,002 columns; at most 16,384"),
        (b"sim_id,name\n1," + b"x" * 131_073 + b"\n", "row 2 can't be read: a cell has more than 131,072 characters"),
        (
            b'sim_id,name\n1,"a\n' + b"\n" * 20_000 + b'"\n',
            "(a cell or a row with more than 10,000 lines)",
        ),
    ],
)
def test_other_content_is_told_for_what_it_is(folder: Path, data: bytes, what: str) -> None:
    (folder / "devices.csv").write_bytes(data)
    with pytest.raises(InputError) as told:
        read_devices(folder / "devices.csv")
    assert what in str(told.value)
    assert len(str(told.value)) < 1000


def test_a_row_with_very_many_cells_is_one_invalid_row(folder: Path) -> None:
    (folder / "devices.csv").write_bytes(LIST + b"2,activated," + b"x," * 100_000 + b"\n")
    intake = read_devices(folder / "devices.csv")
    assert intake.devices["sim_id"].to_list() == ["1"]
    assert intake.rejected["row"].to_list() == [3]
    assert len(intake.rejected["value"][0]) <= 80


def test_more_rows_than_allowed_are_told(folder: Path) -> None:
    (folder / "devices.csv").write_bytes(LIST + b"2,activated\n")
    assert read_devices(folder / "devices.csv", bounds=Bounds(rows=3)).rows == 2
    with pytest.raises(InputError, match=r"more than 2 rows \(SIMTANDEM_MAX_FILE_ROWS\)"):
        read_devices(folder / "devices.csv", bounds=Bounds(rows=2))


def test_text_of_many_parts_is_decoded_where_a_letter_lies_across_two(folder: Path) -> None:
    row = ("1;" + "ä" * 60 + "\n").encode()
    data = b"sim_id;name\n" + row * (-(-(9 << 20) // len(row)))
    (folder / "devices.csv").write_bytes(data)
    assert read_devices(folder / "devices.csv", Target.ACTIVATED).devices.height == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (os.fsdecode(b"ger\xe9te.csv"), r"ger\xe9te.csv"),
        ("a\nb.csv", r"a\nb.csv"),
        ("\x1b[31mred.csv", r"\x1b[31mred.csv"),
        ("\u202egpj.csv", r"\u202egpj.csv"),
        ("Geräte 7 名.csv", "Geräte 7 名.csv"),
    ],
)
def test_a_name_of_any_bytes_is_shown_as_text(folder: Path, name: str, told: str) -> None:
    path = folder / name
    path.write_bytes(LIST)
    assert read_devices(path).file == shown(name) == told
