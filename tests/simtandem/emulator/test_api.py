"""The carrier's calls, over a real connection."""

from typing import Any

import httpx
import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.numbering import with_luhn
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator

SIM, ENDPOINT = 10_000_001, 20_000_001
ACTIVATE, SUSPEND, FACTORY_TEST = ({"status": {"id": number}} for number in (1, 2, 4))
ENABLE, DISABLE = ({"status": {"id": number}} for number in (0, 1))


def fill(emulator: Emulator, *pairs: tuple[str | None, str | None]) -> None:
    emulator.refill(
        [Group(1, SimStatus(sim) if sim else None, EndpointStatus(end) if end else None) for sim, end in pairs]
    )


def patch_sim(client: httpx.Client, body: object, sim: int = SIM) -> httpx.Response:
    return client.patch(f"/api/v1/sim/{sim}", json=body)


def patch_endpoint(client: httpx.Client, body: object, endpoint: int = ENDPOINT) -> httpx.Response:
    return client.patch(f"/api/v1/endpoint/{endpoint}", json=body)


def patch_many(client: httpx.Client, body: object) -> httpx.Response:
    return client.patch("/api/v2/endpoint/multi", json=body)


def enabled(emulator: Emulator) -> list[int]:
    return [each.id for each in emulator.fleet.endpoints.values() if each.status is EndpointStatus.ENABLED]


# Reading one


def test_sim_shows_its_numbers_and_status(emulator: Emulator, client: httpx.Client) -> None:
    fill(emulator, ("Factory Test", "Enabled"))
    sim = client.get(f"/api/v1/sim/{SIM}").json()
    assert sim["id"] == SIM
    assert sim["iccid"] == "8988303000010000001"
    assert sim["status"] == {"id": 4, "description": "Factory Test"}
    assert sim["endpoint"]["id"] == ENDPOINT
    assert sim["customer_org"]["id"] == sim["issuer_org"]["id"]


def test_endpoint_shows_its_sim_and_both_statuses(emulator: Emulator, client: httpx.Client) -> None:
    fill(emulator, ("Suspended", "Disabled"))
    endpoint = client.get(f"/api/v1/endpoint/{ENDPOINT}").json()
    assert (endpoint["id"], endpoint["status"]) == (ENDPOINT, {"id": 1, "description": "Disabled"})
    assert (endpoint["sim"]["id"], endpoint["sim"]["status"]) == (SIM, {"id": 2, "description": "Suspended"})
    assert endpoint["sim"]["iccid_with_luhn"] == with_luhn(endpoint["sim"]["iccid"])


def test_half_that_does_not_exist_is_left_out(emulator: Emulator, client: httpx.Client) -> None:
    fill(emulator, ("Activated", None), (None, "Enabled"))
    assert "endpoint" not in client.get(f"/api/v1/sim/{SIM}").json()
    assert "sim" not in client.get(f"/api/v1/endpoint/{ENDPOINT}").json()


SIM_KEYS = {
    "id", "iccid", "production_date", "activation_date", "status", "customer_org", "issuer_org", "endpoint", "imsi",
    "msisdn", "model",
}  # fmt: skip
ENDPOINT_KEYS = {
    "id", "name", "tags", "created", "last_updated", "status", "service_profile", "tariff_profile", "sim", "imei",
    "imei_lock", "ip_address", "ip_address_space",
}  # fmt: skip
ENDPOINT_IN_SIM_KEYS = {
    "id", "name", "imei", "created", "last_updated", "organisation_id", "service_profile_id", "tariff_profile_id",
    "tags", "ip_address",
}  # fmt: skip


def test_items_have_the_keys_that_were_recorded(emulator: Emulator, client: httpx.Client) -> None:
    fill(emulator, ("Activated", "Enabled"))
    sim, endpoint = client.get("/api/v1/sim").json()[0], client.get("/api/v1/endpoint").json()[0]
    assert (sim.keys(), sim["endpoint"].keys(), endpoint.keys()) == (SIM_KEYS, ENDPOINT_IN_SIM_KEYS, ENDPOINT_KEYS)
    assert sim["issuer_org"].keys() == sim["customer_org"].keys() == {"id", "name", "country"}
    assert sim["issuer_org"]["country"].keys() == {"id", "name"}
    assert endpoint["ip_address_space"].keys() == {"id", "ip_address_space", "ip_address_version"}
    assert (endpoint["tags"], endpoint["imei"], sim["endpoint"]["tags"]) == (None, None, None)
    assert sim == client.get(f"/api/v1/sim/{SIM}").json()
    assert endpoint == client.get(f"/api/v1/endpoint/{ENDPOINT}").json()


def test_dates_end_in_their_offset(emulator: Emulator, client: httpx.Client) -> None:
    fill(emulator, ("Activated", "Enabled"))
    sim, endpoint = client.get(f"/api/v1/sim/{SIM}").json(), client.get(f"/api/v1/endpoint/{ENDPOINT}").json()
    dates = [sim["production_date"], sim["activation_date"], sim["endpoint"]["created"], endpoint["last_updated"]]
    assert [date[-9:] for date in dates] == [".000+0000"] * 4


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize(("path", "what"), [("/api/v1/sim", "SIM"), ("/api/v1/endpoint", "Endpoint")])
@pytest.mark.parametrize("number", ["99", "-1", "0"])
def test_unknown_id_is_404_with_code_1401(client: httpx.Client, method: str, path: str, what: str, number: str) -> None:
    answer = client.request(method, f"{path}/{number}", json={} if method == "PATCH" else None)
    message = f"{what} with Id '{number}' not found."
    assert answer.status_code == 404
    assert answer.json() == {"error_code": 1401, "error_token": "InvalidReference", "message": message}


@pytest.mark.parametrize("path", ["/api/v1/sim/None", "/api/v1/endpoint/abc", "/api/v1/sim/multi", "/api/v1/sim/1.0"])
def test_id_that_is_no_number_is_400_with_code_1000(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error_code"], answer.json()["error_token"]) == (400, 1000, "BadRequest")
    ident = path.rpartition("/")[2]
    assert answer.json()["message"] == f'Cannot parse parameter id as Long: For input string: "{ident}"'


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/v1/nothing", 404), ("POST", "/api/v1/sim/7", 405), ("DELETE", "/api/v1/sim", 405)],
)
def test_call_that_does_not_exist_is_turned_away_by_the_gateway(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json().keys() == {"message"}


def test_status_lists_give_the_numbers(client: httpx.Client) -> None:
    sims = {each["description"]: each["id"] for each in client.get("/api/v1/sim/status").json()}
    ends = {each["description"]: each["id"] for each in client.get("/api/v1/endpoint/status").json()}
    assert sims == {"Issued": 0, "Activated": 1, "Suspended": 2, "Deleted": 3, "Factory Test": 4}
    assert ends == {"Enabled": 0, "Disabled": 1, "Deleted": 2}


# Changing a SIM


def test_sim_patch_is_204_without_body_and_takes_effect(emulator: Emulator, client: httpx.Client) -> None:
    fill(emulator, ("Issued", "Enabled"))
    answer = patch_sim(client, ACTIVATE)
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(f"/api/v1/sim/{SIM}").json()["status"]["id"] == 1
    assert "activation_date" in client.get(f"/api/v1/sim/{SIM}").json()


@pytest.mark.parametrize("status", [400, 409, 422])
def test_illegal_move_is_answered_as_configured(emulator: Emulator, client: httpx.Client, status: int) -> None:
    emulator.configure(illegal_move=status)
    fill(emulator, ("Issued", "Disabled"))
    answer = patch_sim(client, SUSPEND)
    assert answer.status_code == status
    assert answer.json().keys() >= {"error_code", "error_token", "message"}
    assert ("errors" in answer.json()) == (status == 422)
    assert emulator.fleet.sims[SIM].status is SimStatus.ISSUED


@pytest.mark.parametrize("status", [204, 400, 409, 422])
def test_same_status_is_answered_as_configured_and_counted_as_needless(
    emulator: Emulator, client: httpx.Client, status: int
) -> None:
    emulator.configure(same_status=status)
    fill(emulator, ("Activated", "Enabled"))
    assert patch_sim(client, ACTIVATE).status_code == status
    assert patch_endpoint(client, ENABLE).status_code == status
    stats = emulator.stats()
    assert (stats["needless_sim_patches"], stats["needless_endpoint_patches"]) == (1, 1)
    assert emulator.fleet.events == []


def test_unknown_fields_are_refused_and_nothing_is_changed(emulator: Emulator, client: httpx.Client) -> None:
    fill(emulator, ("Issued", "Disabled"))
    for status, answer in (
        (400, patch_sim(client, {**ACTIVATE, "colour": "red"})),
        (422, patch_endpoint(client, {**ENABLE, "colour": "red"})),
        (422, patch_many(client, [{"id": ENDPOINT, **ENABLE, "colour": "red"}])),
    ):
        assert (answer.status_code, answer.json()["error_code"]) == (status, 1400)
        assert [each["error_token"] for each in answer.json()["errors"]] == ["InvalidFormat"]
    assert emulator.fleet.state_counts() == {"Issued/Disabled": 1}


def test_unknown_fields_are_ignored_where_configured(emulator: Emulator, client: httpx.Client) -> None:
    emulator.configure(unknown_fields="ignore")
    fill(emulator, ("Issued", "Disabled"))
    assert patch_endpoint(client, {**ENABLE, "colour": "red"}).status_code == 204
    assert patch_sim(client, {**ACTIVATE, "colour": "red"}).status_code == 204
    assert emulator.fleet.state_counts() == {"Activated/Enabled": 1}


def test_statuses_may_be_sent_as_doubles(emulator: Emulator, client: httpx.Client) -> None:
    fill(emulator, ("Issued", "Disabled"))
    assert patch_endpoint(client, {"status": {"id": 0.0}}).status_code == 204
    assert patch_sim(client, {"status": {"id": 1.0}}).status_code == 204
    assert patch_many(client, [{"id": float(ENDPOINT), "status": {"id": 1.0}}]).status_code == 204
    assert emulator.fleet.state_counts() == {"Activated/Disabled": 1}


def test_a_refused_move_is_told_in_the_carriers_words(emulator: Emulator, client: httpx.Client) -> None:
    fill(emulator, ("Issued", "Disabled"))
    refused = patch_sim(client, SUSPEND).json()
    assert (refused["error_code"], refused["error_token"]) == (1406, "NotAllowed")
    assert refused["message"] == "SIM - Status can't change from 'Issued' to 'Suspended'."


def test_only_the_fields_sent_are_changed(emulator: Emulator, client: httpx.Client) -> None:
    fill(emulator, ("Issued", "Enabled"))
    before = client.get(f"/api/v1/sim/{SIM}").json()
    patch_sim(client, ACTIVATE)
    after = client.get(f"/api/v1/sim/{SIM}").json()
    changed = {"status", "activation_date"}
    assert {k: v for k, v in after.items() if k not in changed} == {k: v for k, v in before.items() if k != "status"}


@pytest.mark.parametrize("empty", [{}, {"id": None}])
def test_empty_organisation_is_emptied(emulator: Emulator, client: httpx.Client, empty: object) -> None:
    fill(emulator, ("Issued", "Enabled"))
    assert patch_sim(client, {"reseller_org": {"id": 12}}).status_code == 204
    assert client.get(f"/api/v1/sim/{SIM}").json()["reseller_org"]["id"] == 12
    assert patch_sim(client, {**ACTIVATE, "reseller_org": empty, "customer_org": empty}).status_code == 204
    sim = client.get(f"/api/v1/sim/{SIM}").json()
    assert not {"reseller_org", "customer_org"} & sim.keys()
    assert sim["status"]["id"] == 1


def test_sim_patches_are_counted_and_repeats_named(emulator: Emulator, client: httpx.Client) -> None:
    fill(emulator, ("Issued", "Enabled"), ("Issued", "Enabled"))
    patch_sim(client, ACTIVATE)
    patch_sim(client, SUSPEND)
    patch_sim(client, ACTIVATE, SIM + 1)
    stats = emulator.stats()
    assert (stats["sim_patches"], stats["sim_patches_repeated"]) == (3, {str(SIM): 2})


def test_paying_but_off_by_a_call_is_counted(emulator: Emulator, client: httpx.Client) -> None:
    fill(emulator, ("Issued", "Disabled"), ("Activated", "Enabled"), ("Issued", "Enabled"))
    patch_sim(client, ACTIVATE)
    patch_endpoint(client, DISABLE, ENDPOINT + 1)
    patch_sim(client, ACTIVATE, SIM + 2)
    assert emulator.stats()["pair_violations"] == 2
    assert emulator.stats()["pair_violations_sims"] == [SIM, SIM + 1]


# Changing endpoints


def test_endpoint_patch_is_204_and_activates_a_sim_in_factory_test(emulator: Emulator, client: httpx.Client) -> None:
    fill(emulator, ("Factory Test", "Disabled"))
    assert patch_endpoint(client, ENABLE).status_code == 204
    assert client.get(f"/api/v1/endpoint/{ENDPOINT}").json()["status"]["id"] == 0
    assert client.get(f"/api/v1/sim/{SIM}").json()["status"]["id"] == 1


def test_endpoint_name_and_tags_can_be_changed_without_waking_a_sim_in_factory_test(
    emulator: Emulator, client: httpx.Client
) -> None:
    fill(emulator, ("Factory Test", "Enabled"))
    assert patch_endpoint(client, {"name": "pump", "tags": "a,b"}).status_code == 204
    endpoint = client.get(f"/api/v1/endpoint/{ENDPOINT}").json()
    assert (endpoint["name"], endpoint["tags"], endpoint["sim"]["status"]["id"]) == ("pump", "a,b", 4)


def test_bulk_changes_two_thousand_endpoints_and_no_more(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(2001)])
    rows = [{"id": each, **ENABLE} for each in emulator.fleet.endpoint_ids]
    too_many = patch_many(client, rows)
    assert (too_many.status_code, too_many.json()["error_code"]) == (400, 1000)
    assert enabled(emulator) == []
    answer = patch_many(client, rows[:2000])
    assert (answer.status_code, answer.content) == (204, b"")
    assert len(enabled(emulator)) == 2000


BAD_ROWS = [
    ({"id": 99, **ENABLE}, 404),
    ({"id": ENDPOINT + 1, **ENABLE}, 422),  # enabled already
    ({"id": ENDPOINT + 2, **ENABLE}, 422),  # deleted
    ({"id": ENDPOINT, **ENABLE}, 422),  # in the same call before
]


@pytest.mark.parametrize(("bad", "status"), BAD_ROWS)
def test_atomic_bulk_with_one_bad_row_changes_nothing(
    emulator: Emulator, client: httpx.Client, bad: dict[str, object], status: int
) -> None:
    fill(emulator, ("Issued", "Disabled"), ("Activated", "Enabled"), (None, "Deleted"), ("Issued", "Disabled"))
    answer = patch_many(client, [{"id": ENDPOINT, **ENABLE}, bad, {"id": ENDPOINT + 3, **ENABLE}])
    assert answer.status_code == status
    assert len(answer.json()["errors"]) == 1
    assert enabled(emulator) == [ENDPOINT + 1]


@pytest.mark.parametrize("bad", [row for row, _ in BAD_ROWS])
def test_partial_bulk_applies_the_good_rows_and_says_422(
    emulator: Emulator, client: httpx.Client, bad: dict[str, object]
) -> None:
    emulator.configure(bulk="partial")
    fill(emulator, ("Issued", "Disabled"), ("Activated", "Enabled"), (None, "Deleted"), ("Issued", "Disabled"))
    answer = patch_many(client, [{"id": ENDPOINT, **ENABLE}, bad, {"id": ENDPOINT + 3, **ENABLE}])
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 1
    assert enabled(emulator) == [ENDPOINT, ENDPOINT + 1, ENDPOINT + 3]


def test_bulk_passes_a_same_status_row_where_same_status_is_204(emulator: Emulator, client: httpx.Client) -> None:
    emulator.configure(same_status=204)
    fill(emulator, ("Issued", "Disabled"), ("Activated", "Enabled"))
    assert patch_many(client, [{"id": ENDPOINT + each, **ENABLE} for each in (0, 1)]).status_code == 204
    assert enabled(emulator) == [ENDPOINT, ENDPOINT + 1]


def test_factory_test_pair_is_woken_by_a_bulk_call(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(3, SimStatus.FACTORY_TEST, EndpointStatus.DISABLED)])
    rows = [{"id": each, **ENABLE} for each in emulator.fleet.endpoint_ids]
    assert client.patch("/api/v2/endpoint/multi", json=rows).status_code == 204
    assert {sim.status for sim in emulator.fleet.sims.values()} == {SimStatus.ACTIVATED}


# Events


def test_changes_are_in_the_event_log_with_type_source_and_words(
    emulator: Emulator, client: httpx.Client, clock: Any
) -> None:
    fill(emulator, ("Suspended", "Disabled"), ("Factory Test", "Enabled"), ("Issued", "Disabled"))
    patch_endpoint(client, ENABLE)
    patch_sim(client, ACTIVATE)
    patch_sim(client, SUSPEND)
    patch_endpoint(client, DISABLE)
    emulator.change(lambda fleet: fleet.drift_volume_reached(SIM + 1))
    patch_sim(client, FACTORY_TEST, SIM + 2)
    emulator.change(lambda fleet: fleet.drift_delete_sim(SIM + 2))
    events = client.get("/api/v1/event").json()
    assert [(each["event_type"]["id"], each["event_source"]["id"], each["description"]) for each in events] == [
        (42, 2, "Status of endpoint changed from 'Disabled' to 'Enabled'"),
        (8, 2, "Status of SIM changed from 'Suspended' to 'Activated'"),
        (9, 2, "Status of SIM changed from 'Activated' to 'Suspended'"),
        (43, 2, "Status of endpoint changed from 'Enabled' to 'Disabled'"),
        (8, 1, "SIM activated after factory test volume reached."),
        (45, 2, "Status of SIM changed from 'Issued' to 'Factory Test'"),
        (10, 2, "SIM deleted."),
    ]
    assert events[1]["sim"]["id"] == SIM
    assert events[1]["endpoint"]["id"] == ENDPOINT
    assert "user" not in events[1]
