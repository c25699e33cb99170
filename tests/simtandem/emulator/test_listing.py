"""Paging, order and filters of the listings, over a real connection."""

import httpx
import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.numbering import with_luhn
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator

SIM, ENDPOINT = 10_000_001, 20_000_001


def ids(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()]


def paging(answer: httpx.Response) -> list[int]:
    names = ("X-Total-Count", "X-Total-Pages", "X-Current-Page", "X-Count-Per-Page")
    return [int(answer.headers[name]) for name in names]


def test_pages_hold_the_whole_listing_once_and_in_order(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(25)])
    for path, first in (("/api/v1/sim", SIM), ("/api/v1/endpoint", ENDPOINT)):
        pages = [client.get(path, params={"page": page, "per_page": 10}) for page in (1, 2, 3)]
        assert [each for page in pages for each in ids(page)] == list(range(first, first + 25))
        assert [paging(page) for page in pages] == [[25, 3, 1, 10], [25, 3, 2, 10], [25, 3, 3, 10]]


def test_page_past_the_end_is_the_last_page_again(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(25)])
    last, beyond = (client.get("/api/v1/sim", params={"page": page, "per_page": 10}) for page in (3, 99))
    assert ids(beyond) == ids(last)
    assert paging(beyond) == [25, 3, 3, 10]


@pytest.mark.parametrize(
    ("path", "asked", "got"),
    [
        ("/api/v1/sim", None, 2000),
        ("/api/v1/sim", 2500, 2500),
        ("/api/v1/sim", 9999, 2500),
        ("/api/v1/endpoint", None, 1000),
        ("/api/v1/endpoint", 2500, 1000),
    ],
)
def test_page_size_has_its_default_and_is_lowered_silently(
    emulator: Emulator, client: httpx.Client, path: str, asked: int | None, got: int
) -> None:
    emulator.refill([Group(2600)])
    answer = client.get(path, params={} if asked is None else {"per_page": asked})
    assert len(ids(answer)) == got
    assert paging(answer) == [2600, -(-2600 // got), 1, got]


def test_empty_listing_has_no_pages(client: httpx.Client) -> None:
    answer = client.get("/api/v1/sim")
    assert ids(answer) == []
    assert paging(answer) == [0, 0, 1, 2000]


@pytest.mark.parametrize(("sort", "down"), [("id", False), ("%2Bid", False), ("+id", False), ("-id", True)])
def test_listing_goes_up_or_down(emulator: Emulator, client: httpx.Client, sort: str, down: bool) -> None:
    emulator.refill([Group(3)])
    assert ids(client.get(f"/api/v1/sim?sort={sort}")) == sorted(range(SIM, SIM + 3), reverse=down)
    assert ids(client.get(f"/api/v1/endpoint?sort={sort}")) == sorted(range(ENDPOINT, ENDPOINT + 3), reverse=down)


def test_listing_sorts_by_several_fields(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(2, SimStatus.ACTIVATED), Group(2)])
    assert ids(client.get("/api/v1/sim?sort=status,-id")) == [SIM + 3, SIM + 2, SIM + 1, SIM]


LISTINGS = ("/api/v1/sim", "/api/v1/endpoint", "/api/v1/event")


@pytest.mark.parametrize("query", ["page=0", "page=-3", "per_page=0", "per_page=-5", "page=0&per_page=0"])
def test_a_page_or_size_below_one_is_the_first_page_or_the_default_size(
    emulator: Emulator, client: httpx.Client, query: str
) -> None:
    emulator.refill([Group(3)])
    for path, size in zip(LISTINGS, (2000, 1000, 100), strict=True):
        assert paging(client.get(f"{path}?{query}"))[2:] == [1, size]
    assert len(ids(client.get(f"/api/v1/sim?{query}"))) == 3


@pytest.mark.parametrize("query", ["page=x", "per_page=1.5", "page=", "page=99999999999999999999", "per_page=٣"])
def test_a_page_that_is_no_number_is_400_with_code_1000(client: httpx.Client, query: str) -> None:
    for path in LISTINGS:
        answer = client.get(f"{path}?{query}")
        assert (answer.status_code, answer.json()["error_code"]) == (400, 1000)


def test_wrong_order_is_422_with_code_1302_and_400_for_events(client: httpx.Client) -> None:
    answers = [client.get(f"{path}?sort=colour") for path in LISTINGS]
    assert [answer.status_code for answer in answers] == [422, 422, 400]
    for answer in answers:
        assert (answer.json()["error_code"], answer.json()["error_token"]) == (1302, "InvalidSortCriteria")


@pytest.mark.parametrize("query", ["colour:red", "status", "status:", "id:abc", "iccid:1,colour:red"])
def test_wrong_filter_is_422_with_code_1301(client: httpx.Client, query: str) -> None:
    for path in LISTINGS:
        answer = client.get(path, params={"q": query})
        assert (answer.status_code, answer.json()["error_code"]) == (422, 1301)
        assert answer.json()["error_token"] == "InvalidQueryCriteria"


def test_headers_tell_the_order_the_filter_and_the_neighbouring_pages(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(30)])
    headers = client.get("/api/v1/sim?page=2&per_page=10&q=status:0&sort=-id").headers
    assert (headers["X-Sort"], headers["X-Filter"], headers["X-Count"]) == ("-id", "status:0", "30")
    url = f"{emulator.url}/api/v1/sim?q=status%3A0&sort=-id&"
    assert headers["Link"] == ", ".join(
        f'<{url}page={page}&per_page=10>; rel="{name}"'
        for name, page in (("first", 1), ("prev", 1), ("next", 3), ("last", 3))
    )
    assert (client.get("/api/v1/sim").headers["X-Sort"], client.get("/api/v1/sim").headers["Link"]) == ("id", "")
    followed = client.get("/api/v1/sim?per_page=10").links["next"]["url"]
    assert ids(client.get(followed)) == list(range(SIM + 10, SIM + 20))


def test_headers_survive_any_text_in_a_query(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(3)])
    answer = client.get("/api/v1/endpoint", params={"q": "name:Gerät\r\nX-Evil: 1", "per_page": "1"})
    assert ids(answer) == []
    assert answer.headers["X-Filter"] == "name:Ger%C3%A4t%0D%0AX-Evil: 1"
    assert "X-Evil" not in answer.headers


def test_paging_headers_differ_from_year_to_year_and_may_be_missing(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(3)])
    emulator.configure(paging_headers="2022")
    answer = client.get("/api/v1/sim?per_page=2")
    assert paging(answer) == [3, 2, 1, 2]
    assert "X-Count" not in answer.headers
    emulator.configure(paging_headers="none")
    assert not [name for name in client.get("/api/v1/sim").headers if name.lower().startswith("x-")]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status:1", [SIM + 1, SIM + 2]),
        ("status:4", []),
        (f"id:{SIM + 1}", [SIM + 1]),
        (f"id:{SIM + 1},status:0", []),
        ("iccid:8988303000010000003", [SIM + 2]),
        ("iccid:89883030000100000", []),
        (f"iccid_with_luhn:{with_luhn('8988303000010000003')}", [SIM + 2]),
        (f"endpoint:{ENDPOINT + 1}", [SIM + 1]),
        (f"endpoint:{ENDPOINT + 2}", []),
        ("endpoint:null", [SIM + 2]),
        ("endpoint:null,status:0", []),
        ("reseller_org:null,status:0", [SIM]),
        ("issuer_org:4711", [SIM, SIM + 1, SIM + 2]),
        ("customer_org:12", []),
        ("imsi:901430010000002", [SIM + 1]),
        ("msisdn:882390010000002", [SIM + 1]),
        ("production_date:2024-01-15,status:0", [SIM]),
        ("production_date:2024-01-16", []),
        ("model:2,status:0", [SIM]),
        ("model:3", []),
        ("eid:null,status:0", [SIM]),
        ("eid:89033023", []),
        ("satellite_capable:false,status:0", [SIM]),
        ("satellite_capable:true", []),
    ],
)
def test_sims_are_filtered(emulator: Emulator, client: httpx.Client, query: str, found: list[int]) -> None:
    emulator.refill([Group(), Group(1, SimStatus.ACTIVATED), Group(1, SimStatus.ACTIVATED, None)])
    answer = client.get("/api/v1/sim", params={"q": query})
    assert ids(answer) == found
    assert paging(answer)[0] == len(found)


def test_check_digit_of_a_filter_must_be_right(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group()])
    right = with_luhn("8988303000010000001")
    wrong = right[:-1] + str((int(right[-1]) + 1) % 10)
    assert ids(client.get("/api/v1/sim", params={"q": f"iccid_with_luhn:{right}"})) == [SIM]
    assert ids(client.get("/api/v1/sim", params={"q": f"iccid_with_luhn:{wrong}"})) == []


@pytest.fixture
def named(emulator: Emulator, client: httpx.Client) -> httpx.Client:
    """Three endpoints, the last without a SIM, with names, tags and more."""
    emulator.refill([Group(1, SimStatus.ACTIVATED), Group(1), Group(1, None, EndpointStatus.ENABLED)])
    for number, (name, tags) in enumerate([("Pump 2", "sensor,outdoor"), ("pump 10", "outdoor"), ("Valve", "x")]):
        body = {"name": name, "tags": tags, "imei": f"86773005{number:08}", "tariff_profile": {"id": 9 - number}}
        assert client.patch(f"/api/v1/endpoint/{ENDPOINT + number}", json=body).status_code == 204
    return client


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status:0", [2]),
        (f"id:{ENDPOINT},status:1", [0]),
        ("name:Pump", [0, 1]),
        ("name:valve", [2]),
        ("tags:sensor", [0]),
        ("tags:outdoor,status:1", [0, 1]),
        ("imei:8677300500000001", [1]),
        ("ip_address:100.113.45.2", [1]),
        ("iccid:8988303000010000002", [1]),
        (f"iccid_with_luhn:{with_luhn('8988303000010000002')}", [1]),
        ("iccid:null", [2]),
        ("iccid_with_luhn:null", [2]),
        ("eid:null", [0, 1, 2]),
        ("sim_status:1", [0]),
        ("sim_status:null", [2]),
        ("service_profile:398490", [0, 1, 2]),
        ("tariff_profile:8", [1]),
        ("created:2025-06-15", [0, 1, 2]),
        ("last_updated:2025-06-15T15:06:40Z", [0, 1, 2]),
        ("created:2025-06-15 15:06:41+00:00", []),
    ],
)
def test_endpoints_are_filtered(named: httpx.Client, query: str, found: list[int]) -> None:
    answer = named.get("/api/v1/endpoint", params={"q": query})
    assert [each - ENDPOINT for each in ids(answer)] == found


def test_words_are_compared_as_configured(emulator: Emulator, named: httpx.Client) -> None:
    assert len(ids(named.get("/api/v1/endpoint?q=name:pump"))) == 2
    emulator.configure(text_filter="exact")
    assert ids(named.get("/api/v1/endpoint?q=name:pump")) == []
    assert ids(named.get("/api/v1/endpoint?q=name:Valve")) == [ENDPOINT + 2]


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ("name", [0, 2, 1]),
        ("-tags", [2, 0, 1]),
        ("imei,-id", [0, 1, 2]),
        ("-NAME", [1, 2, 0]),
        ("status", [2, 0, 1]),
        ("-status,id", [0, 1, 2]),
        ("tariff_profile", [2, 1, 0]),
        ("service_profile", [0, 1, 2]),
        ("created,last_updated,ip_address,eid", [0, 1, 2]),
    ],
)
def test_endpoints_are_sorted(named: httpx.Client, sort: str, found: list[int]) -> None:
    assert [each - ENDPOINT for each in ids(named.get(f"/api/v1/endpoint?sort={sort}"))] == found


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ("-endpoint", [2, 1, 0]),  # without an endpoint comes first going down
        ("endpoint", [0, 1, 2]),
        ("-iccid", [2, 1, 0]),
        ("status,-id", [2, 1, 0]),
        ("issuer_org,reseller_org,customer_org,eid,production_date,model", [0, 1, 2]),
    ],
)
def test_sims_are_sorted(emulator: Emulator, client: httpx.Client, sort: str, found: list[int]) -> None:
    emulator.refill([Group(1, SimStatus.ACTIVATED), Group(), Group(1, SimStatus.ISSUED, None)])
    assert [each - SIM for each in ids(client.get(f"/api/v1/sim?sort={sort}"))] == found


def test_filtered_listing_follows_the_fleet(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(2)])
    assert ids(client.get("/api/v1/sim?q=status:1")) == []
    client.patch(f"/api/v1/sim/{SIM}", json={"status": {"id": 1}})
    assert ids(client.get("/api/v1/sim?q=status:1")) == [SIM]
    emulator.change(lambda fleet: fleet.drift_delete_sim(SIM))
    assert ids(client.get("/api/v1/sim?q=status:1")) == []
