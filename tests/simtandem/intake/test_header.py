import pytest

from simtandem.errors import InputError
from simtandem.intake.header import current_statuses, find_sources, listed, recognised


@pytest.mark.parametrize(
    ("field", "names"),
    [
        (
            "sim_id",
            ["sim_id", "SIM ID", "Sim Id", "SIM", "simid", "sim-id", "\u00a0SIM\u00a0ID ", "\ufeffsim_id", "'sim_id"],
        ),
        ("endpoint_id", ["endpoint_id", "Endpoint ID", "Device ID", "endpoint", "ENDPOINT-ID", '="Device ID"']),
        ("iccid", ["iccid", "ICCID", "ICCID with Luhn", "iccid_with_luhn"]),
        ("status", ["status", "Desired", "desired status", "target", "Target Status", "new_status", "NEW STATUS"]),
    ],
)
def test_every_usual_spelling_is_understood(field: str, names: list[str]) -> None:
    for name in names:
        found = find_sources(["iccid " if field != "iccid" else "sim", name])
        assert [source.field for source in found if source.index == 1] == [field], name


@pytest.mark.parametrize(
    "name",
    ["SIM Status", "Device Status", "Endpoint status", "current_status", "status before", "status_after", "state"],
)
def test_a_column_that_may_show_the_status_of_today_is_never_a_wish(name: str) -> None:
    assert [source.field for source in find_sources(["iccid", name])] == ["iccid"]


def test_columns_not_read_are_told_apart_by_whether_they_are_about_a_status() -> None:
    header = ["iccid", "SIM Status", "Name", "", "status", "Tags"]
    assert current_statuses(header, find_sources(header)) == ["SIM Status"]


def test_columns_keep_their_place_and_their_spelling() -> None:
    found = find_sources(["Name", " ICCID with Luhn ", "ICCID", "Target"])
    assert [(source.index, source.field, source.header) for source in found] == [
        (1, "iccid", "ICCID with Luhn"),
        (2, "iccid", "ICCID"),
        (3, "status", "Target"),
    ]


def test_the_very_same_name_twice_is_refused_and_both_places_are_named() -> None:
    with pytest.raises(InputError, match=r"columns 1 and 3 are both called 'iccid'"):
        find_sources(["iccid", "status", "iccid "])


def test_the_same_name_twice_is_no_matter_where_the_columns_are_not_read() -> None:
    assert len(find_sources(["Name", "iccid", "Name"])) == 1


def test_without_an_id_column_the_names_seen_and_the_names_that_would_do_are_told() -> None:
    with pytest.raises(InputError) as caught:
        find_sources(["Name", "status", ""])
    assert "the columns are 'Name', 'status'." in str(caught.value)
    assert "sim_id, endpoint_id or iccid" in str(caught.value)


@pytest.mark.parametrize(
    "cell", ["8988303000000000012", "10000001", "8988 3030 0000 0000 012F", '="12"', "8,98830E+18"]
)
def test_a_first_row_of_data_is_told_from_a_header(cell: str) -> None:
    with pytest.raises(InputError, match="the first row holds data") as caught:
        find_sources(["activated", cell])
    assert "iccid,status" in str(caught.value)


def test_recognised_counts_known_names() -> None:
    assert recognised(["ICCID", "Name", "status"]) == 2


def test_long_lists_are_cut_short() -> None:
    assert listed(["a", "b", "c"], limit=2) == "'a', 'b' and 1 more"
