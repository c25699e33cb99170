from collections.abc import Callable

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from schemas.tables import Inventory
from simtandem.carriers.emnify.item_mapping import Row, from_endpoint, from_sim, table, unknown_statuses

ICCID = "8988303000000000001"


def endpoint(**more: object) -> dict[str, object]:
    return {"id": 20, "name": "tracker", "status": {"id": 0, "description": "Enabled"}, **more}


def sim(**more: object) -> dict[str, object]:
    return {"id": 10, "iccid": ICCID, "status": {"id": 1, "description": "Activated"}, **more}


def test_endpoint_shows_both_halves_of_its_pair() -> None:
    row = from_endpoint(endpoint(sim=sim()))
    assert row == ("10", ICCID, SimStatus.ACTIVATED, "20", EndpointStatus.ENABLED)


@pytest.mark.parametrize("nothing", [{}, {"sim": None}, {"sim": {}}])
def test_endpoint_without_a_sim_has_no_sim_half(nothing: dict[str, object]) -> None:
    assert from_endpoint(endpoint(**nothing)) == (None, None, None, "20", EndpointStatus.ENABLED)


def test_sim_names_its_endpoint_but_says_nothing_of_its_status() -> None:
    assert from_sim(sim(endpoint={"id": 20})) == ("10", ICCID, SimStatus.ACTIVATED, "20", None)


@pytest.mark.parametrize("nothing", [{}, {"endpoint": None}, {"endpoint": {}}])
def test_sim_without_an_endpoint_has_no_endpoint_half(nothing: dict[str, object]) -> None:
    assert from_sim(sim(**nothing)) == ("10", ICCID, SimStatus.ACTIVATED, None, None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"iccid": ICCID}, ICCID),
        ({"iccid": ICCID + "7"}, ICCID),  # with its check digit
        ({"iccid": None, "iccid_with_luhn": ICCID + "7"}, ICCID),
        ({"iccid": int(ICCID)}, ICCID),
        ({"iccid": None}, None),
        ({"iccid": ""}, None),
    ],
)
def test_iccid_is_text_of_19_digits(given: dict[str, object], expected: str | None) -> None:
    assert from_sim(sim(**given))[1] == expected
    assert from_endpoint(endpoint(sim=sim(**given)))[1] == expected


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (0, SimStatus.ISSUED),
        (1, SimStatus.ACTIVATED),
        (2, SimStatus.SUSPENDED),
        (3, SimStatus.DELETED),
        (4, SimStatus.FACTORY_TEST),
    ],
)
def test_sim_status_is_known_by_its_number_whatever_the_words(number: int, status: SimStatus) -> None:
    assert from_sim(sim(status={"id": number, "description": "Ready"}))[2] is status


@pytest.mark.parametrize(
    ("number", "status"), [(0, EndpointStatus.ENABLED), (1, EndpointStatus.DISABLED), (2, EndpointStatus.DELETED)]
)
def test_endpoint_status_is_known_by_its_number(number: int, status: EndpointStatus) -> None:
    assert from_endpoint(endpoint(status={"id": number}))[4] is status


@pytest.mark.parametrize(
    "status",
    [
        {"id": 5},
        {"id": -1},
        {"id": 1.5},
        {"id": float("nan")},
        {"id": None},
        {"id": [1]},
        {"id": "Quarantined"},
        {"id": True},
        {"id": "9" * 5000},
        {"id": "²"},
        {},
        None,
        "junk",
        7,
        [1],
    ],
)
@pytest.mark.parametrize(
    ("read", "column"),
    [
        (lambda status: from_sim(sim(status=status)), 2),
        (lambda status: from_endpoint(endpoint(sim=sim(status=status))), 2),
        (lambda status: from_endpoint(endpoint(status=status)), 4),
    ],
)
def test_a_status_never_heard_of_leaves_that_half_without_one(
    status: object, read: Callable[[object], Row], column: int
) -> None:
    row = read(status)
    assert row[column] is None
    assert "10" in row or "20" in row


@pytest.mark.parametrize("status", [{"id": 1}, {"id": 1.0}, {"id": "1"}, {"description": "Activated"}, "activated", 1])
def test_a_status_may_come_as_a_double_a_text_or_a_word(status: object) -> None:
    assert from_sim(sim(status=status))[2] is SimStatus.ACTIVATED


@pytest.mark.parametrize("half", [None, "junk", 7, [], {}])
def test_a_half_that_is_no_object_is_absent(half: object) -> None:
    assert from_endpoint(endpoint(sim=half))[:3] == (None, None, None)
    assert from_sim(sim(endpoint=half))[3] is None


@pytest.mark.parametrize("ident", [None, "x", -1, 1.5, float("inf"), 2**70, "1" * 40, True, {}])
def test_an_id_that_is_no_number_is_none(ident: object) -> None:
    assert from_sim(sim(id=ident))[0] is None


def test_rows_make_an_inventory_even_without_any() -> None:
    rows = [from_endpoint(endpoint()), from_sim(sim()), from_endpoint(endpoint(id=21, sim=sim(id=11)))]
    assert Inventory.validate(table(rows)).height == 3
    assert Inventory.validate(table([])).height == 0


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({"id": 7, "description": "Quarantined"}, "Quarantined (7)"),
        ({"id": 7}, "7"),
        ("Quarantined", "Quarantined"),
        ({"id": "x" * 500}, "a text of 500 characters"),
        ({"id": 7, "description": "\x1b[31mred"}, "[31mred (7)"),
        (None, "none"),
        ({}, "none"),
    ],
)
def test_a_status_that_is_not_known_is_told_as_the_carrier_shows_it(status: object, shown: str) -> None:
    assert list(unknown_statuses({"id": 1, "status": status}, "sim_id")) == [("sim_id", "1", shown)]


def test_an_endpoint_shows_the_unknown_status_of_its_sim_as_well() -> None:
    item = {"id": 2, "status": {"id": 0}, "sim": {"id": 1, "status": {"id": 9}}}
    assert list(unknown_statuses(item, "endpoint_id")) == [("sim_id", "1", "9")]
