"""What the package promises for any file: every row is accounted for, and only `InputError` is raised."""

import csv
import hashlib
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.statuses import EMNIFY_TARGETS, Target
from schemas.tables import Devices, Rejected, Repeats
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.errors import InputError
from simtandem.intake import Intake
from tests.simtandem.emnify_lists import read_devices

SAMPLES = Path(__file__).parents[2] / "data"
HEADER = ["ICCID", "sim_id", "SIM Status", "Device ID", "ICCID with Luhn", "status"]


def luhn(iccid: str) -> str:
    """The check digit, by the book: double every second digit from the right, add up the digits of the products."""
    doubled = "".join(str(int(digit) * (2 - index % 2)) for index, digit in enumerate(reversed(iccid)))
    return str(-sum(map(int, doubled)) % 10)


def iccid_of(number: int) -> str:
    return f"8988303{number:012d}"


def written(directory: Path, data: bytes) -> Path:
    path = directory / "devices.csv"
    path.write_bytes(data)
    return path


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("intake")


def assert_adds_up(intake: Intake, rows: int) -> None:
    assert intake.rows == rows
    assert intake.devices.height + intake.rejected.height + intake.repeats.height == rows
    every = pl.concat([table["row"] for table in (intake.devices, intake.rejected, intake.repeats)])
    assert every.n_unique() == rows
    for table, shape in ((intake.devices, Devices), (intake.rejected, Rejected), (intake.repeats, Repeats)):
        shape.validate(table)
        assert table["row"].is_sorted()
    assert intake.repeats["same_as"].is_in(intake.devices["row"].implode()).all()
    assert set(intake.devices.columns) == {"row", "sim_id", "endpoint_id", "iccid", "desired", "owners"}


iccids = [iccid_of(1), iccid_of(1) + luhn(iccid_of(1)), iccid_of(2), iccid_of(10_000), f"{iccid_of(1)}F"]
numbers = ["1", "01", "1.0", "0", "10000001", "1,234", "1e5", "8.98830E+18", "=A1", '="12"', "'12", "-", "x" * 200]
words = ["activated", "Suspended", "factory test", "4", "Issued", "Enabled", "deleted", "Total", "Sum: 4", "@"]
near_misses = st.sampled_from([*iccids, *numbers, *words, "\u00a0", "\ufeff", "\u200b"])
encodable = st.characters(codec="utf-8", exclude_characters="\0")
cells = st.one_of(st.just(""), near_misses, near_misses, st.text(encodable, max_size=30))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(cells, min_size=1, max_size=7), min_size=1, max_size=8), st.sampled_from([None, *EMNIFY_TARGETS])
)
@example([["", "1", "", "", "", "activated"], ["", "1", "", "2", "", "1"], ["", "", "", "2", "", "suspended"]], None)
@example([["", "1", "", "2", "", "activated"], ["", "1", "", "", "", ""], ["", "", "", "2", "", ""]], Target.ACTIVATED)
def test_devices_rejected_and_repeats_add_up_to_the_rows_whatever_the_cells_hold(
    directory: Path, rows: list[list[str]], to: Target | None
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([HEADER, *rows])
    try:
        intake = read_devices(written(directory, text.getvalue().encode()), to)
    except InputError:
        return
    assert_adds_up(intake, sum(1 for row in rows if "".join(row).strip()))


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(str.encode),
        st.text(st.sampled_from('iccid,;\t|"\r\n =19E.+\ufeff'), max_size=80).map(
            lambda text: b"iccid,status\n" + text.encode()
        ),
        st.text(st.sampled_from('sim_id,1;"\n'), max_size=80).map(lambda text: text.encode("utf-16")),
    )
)
@example(b"sep=;\n")
@example(b'iccid\n"')
@example(b"iccid\n" + b"1" * 140_000)
@example(b"\xff\xfea")
@example(b"\xff\xfe\0\0")
@example(b"\xef\xbb\xbf\xff")
@example(b"\x81")
def test_nothing_but_an_input_error_is_raised_whatever_the_bytes(directory: Path, data: bytes) -> None:
    try:
        intake = read_devices(written(directory, data), Target.ACTIVATED)
    except InputError as error:
        message = str(error)
    else:
        assert_adds_up(intake, intake.rows)
        return
    assert message.startswith("devices.csv: ")
    assert "\nNothing was sent." in message


devices = st.lists(
    st.tuples(st.integers(1, 10**12 - 1).filter(lambda number: number % 10_000), st.sampled_from(EMNIFY_TARGETS)),
    min_size=1,
    max_size=6,
    unique_by=lambda device: device[0],
)


@settings(max_examples=25, deadline=None)
@given(
    devices,
    st.sampled_from(",;\t|"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.booleans(),
)
def test_a_table_reads_the_same_with_every_separator_encoding_line_end_and_quoting(
    directory: Path,
    devices: list[tuple[int, Target]],
    separator: str,
    encoding: str,
    end: str,
    quoting: int,
    named: bool,
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["SIM ID", "Gerät", "ICCID with Luhn", "status"])
    for number, target in devices:
        iccid = iccid_of(number)
        writer.writerow([number, f'Pümpe {separator}"{end}x', iccid + luhn(iccid), EMNIFY.goal(target).sim])
    declaration = f"sep={separator}{end}" if named else ""
    path = written(directory, (declaration + text.getvalue()).encode(encoding))
    intake = read_devices(path)
    assert intake.devices.rows() == [
        (row, str(number), None, iccid_of(number), str(target), None)
        for row, (number, target) in enumerate(devices, start=2)
    ]
    assert_adds_up(intake, len(devices))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["\n", " \n", ";\n", "{}\n", "{}\n", "x\n"]), min_size=1, max_size=12))
def test_a_row_keeps_the_number_a_spreadsheet_shows_after_blank_lines(directory: Path, lines: list[str]) -> None:
    numbered = [line.format(f"{row};activated") for row, line in enumerate(lines, start=2)]
    usable = [row for row, line in enumerate(lines, start=2) if "{}" in line]
    path = written(directory, ("sim_id;status\n" + "".join(numbered)).encode())
    if not usable:
        with pytest.raises(InputError):
            read_devices(path)
        return
    intake = read_devices(path)
    assert intake.devices.select("row", "sim_id").rows() == [(row, str(row)) for row in usable]
    assert intake.rejected["row"].to_list() == [row for row, line in enumerate(lines, start=2) if line == "x\n"]


def test_the_file_is_named_and_its_bytes_are_hashed(directory: Path) -> None:
    data = b"sim_id\r\n1\r\n"
    intake = read_devices(written(directory, data), Target.SUSPENDED)
    assert (intake.file, intake.sha256) == ("devices.csv", hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    ("name", "to", "devices", "rejected", "repeats"),
    [
        ("portal-device-list.csv", None, 12, 0, 0),
        ("excel-damaged.csv", None, 4, 9, 0),
        ("other-owners.csv", None, 7, 0, 0),
        ("suspend-by-iccid.csv", Target.SUSPENDED, 20, 0, 0),
    ],
)
def test_the_samples_show_what_their_readme_says(
    name: str, to: Target | None, devices: int, rejected: int, repeats: int
) -> None:
    intake = read_devices(SAMPLES / name, to)
    assert (intake.devices.height, intake.rejected.height, intake.repeats.height) == (devices, rejected, repeats)
    assert name in (SAMPLES / "README.md").read_text()


def test_the_demo_sample_has_devices_a_repeat_and_mistakes_of_several_kinds() -> None:
    intake = read_devices(SAMPLES / "demo-devices.csv")
    assert intake.devices.height >= 30
    assert intake.repeats.height > 0
    assert intake.rejected["reason"].n_unique() >= 5
    assert_adds_up(intake, intake.rows)
