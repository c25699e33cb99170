from collections.abc import Callable

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from schemas.tables import Inventory
from simtandem.carriers.emnify.items import Row, from_endpoint, from_sim, table
from simtandem.errors import CarrierRefused

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


@pytest.mark.parametrize("status", [{"id": 5}, {"id": -1}, {"id": "1"}, {"id": None}, {}, None])
@pytest.mark.parametrize(
    ("read", "named"),
    [
        (lambda status: from_sim(sim(status=status)), "SIM 10"),
        (lambda status: from_endpoint(endpoint(sim=sim(status=status))), "SIM 10"),
        (lambda status: from_endpoint(endpoint(status=status)), "endpoint 20"),
    ],
)
def test_unknown_status_is_refused_loudly_and_named(
    status: dict[str, object] | None, read: Callable[[object], Row], named: str
) -> None:
    with pytest.raises(CarrierRefused) as caught:
        read(status)
    assert f"status {(status or {}).get('id', -1)!r} for {named}" in str(caught.value)
    assert "Nothing is planned on a guess" in str(caught.value)


def test_rows_make_an_inventory_even_without_any() -> None:
    rows = [from_endpoint(endpoint()), from_sim(sim()), from_endpoint(endpoint(id=21, sim=sim(id=11)))]
    assert Inventory.validate(table(rows)).height == 3
    assert Inventory.validate(table([])).height == 0
