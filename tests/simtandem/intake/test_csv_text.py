import pytest

from simtandem.errors import InputError
from simtandem.intake.csv_text import CsvText, open_text
from simtandem.intake.header import recognised


def records(data: bytes) -> list[tuple[int, list[str]]]:
    return list(open_text(data, recognised).records())


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("iccid;ö\n".encode(), "utf-8"),
        ("iccid;ö\n".encode("utf-8-sig"), "utf-8-sig"),
        ("iccid;ö\n".encode("cp1252"), "cp1252"),
        (b"\xff\xfe" + "iccid;ö\n".encode("utf-16-le"), "utf-16"),
        (b"\xfe\xff" + "iccid;ö\n".encode("utf-16-be"), "utf-16"),
    ],
)
def test_the_encoding_is_found_out_and_a_byte_order_mark_is_no_text(data: bytes, encoding: str) -> None:
    document = open_text(data, recognised)
    assert document.encoding == encoding
    assert list(document.records()) == [(1, ["iccid", "ö"])]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_out_from_the_header(separator: str) -> None:
    assert open_text(f"iccid{separator}status\n".encode(), recognised).separator == separator


def test_the_separator_that_yields_known_columns_wins_over_the_one_that_yields_more_cells() -> None:
    data = b'iccid;"name, town, street, number";status\n'
    assert records(data) == [(1, ["iccid", "name, town, street, number", "status"])]


def test_quotes_that_break_under_one_separator_do_not_hide_the_right_one() -> None:
    assert records(b'"a" b;iccid\n1;2\n'.replace(b'"a" b', b'x,"a" b')) == [(1, ['x,"a" b', "iccid"]), (2, ["1", "2"])]


def test_a_comma_stays_in_its_cell_where_there_is_one_column() -> None:
    assert records(b"iccid\n8,98830E+18\n") == [(1, ["iccid"]), (2, ["8,98830E+18"])]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_ends_a_row_and_a_blank_line_is_one(end: str) -> None:
    assert records(f"iccid;status{end}{end}1;2{end}".encode()) == [(1, ["iccid", "status"]), (2, []), (3, ["1", "2"])]


def test_a_quoted_cell_may_hold_line_ends_and_separators_and_stays_one_row() -> None:
    data = b'name;iccid\n"a;b\r\nc ""d""";1\n;2\n'
    assert records(data) == [(1, ["name", "iccid"]), (2, ['a;b\r\nc "d"', "1"]), (3, ["", "2"])]


@pytest.mark.parametrize(
    ("line", "separator"), [(b"sep=;", ";"), (b"SEP=,", ","), (b'"sep=|"', "|"), (b"sep=\t", "\t"), (b"sep=^", "^")]
)
def test_a_first_line_that_names_the_separator_is_obeyed_and_is_no_row(line: bytes, separator: str) -> None:
    data = line + b"\r\niccid" + separator.encode() + b"status\r\n"
    document = open_text(data, recognised)
    assert document.declared
    assert list(document.records()) == [(1, ["iccid", "status"])]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"iccid\0\n", "not a text file"),
        ("iccid\n".encode("utf-16-le"), "not a text file"),
        (b"\xff\xfe\0\0i\0\0\0", "not a text file"),
        (b"\xff\xfei", "not a text file"),
        (b"iccid\n\x81\n", "not a text file"),
        (b"\xef\xbb\xbficcid\n\xff\n", "not a text file"),
    ],
)
def test_what_is_no_text_is_refused_with_what_to_do(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        open_text(data, recognised)
    assert "Save it as CSV UTF-8" in str(caught.value)


@pytest.mark.parametrize("tail", [b'"3;activated\n4;activated\n', b'"3"4;activated\n', b"1" * 131_073 + b"\n"])
def test_rows_that_quotes_make_uncertain_are_refused_with_the_row(tail: bytes) -> None:
    document = CsvText(b"sim_id;status\n2;activated\n" + tail, "utf-8")
    with pytest.raises(InputError, match=r"row 3 can't be read"):
        list(document.records())
