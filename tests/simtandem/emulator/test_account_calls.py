"""Logging in, and the account's own calls, over a real connection."""

from typing import Any

import httpx
import pytest

from schemas.statuses import SimStatus
from simtandem.emulator.devices import OWN_ORGANISATION
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator


def test_application_token_is_exchanged_for_a_token_that_lets_in(emulator: Emulator, stranger: httpx.Client) -> None:
    answer = stranger.post("/api/v1/authenticate", json={"application_token": emulator.token})
    assert answer.status_code == 200
    assert answer.json().keys() == {"auth_token", "refresh_token"}
    bearer = {"Authorization": f"Bearer {answer.json()['auth_token']}"}
    assert stranger.get("/api/v1/sim", headers=bearer).status_code == 200


def test_wrong_token_is_401_without_body_and_the_third_time_the_account_is_locked(
    emulator: Emulator, stranger: httpx.Client
) -> None:
    answers = [stranger.post("/api/v1/authenticate", json={"application_token": "wrong"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert [answer.content for answer in answers[:2]] == [b"", b""]
    assert answers[2].json()["error_code"] == 1105
    locked = stranger.post("/api/v1/authenticate", json={"application_token": emulator.token})
    assert (locked.status_code, locked.json()["error_token"]) == (401, "TooManyRequests")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"{"])
def test_malformed_credentials_are_400_and_no_failed_login(
    emulator: Emulator, stranger: httpx.Client, body: bytes
) -> None:
    for _ in range(4):
        assert stranger.post("/api/v1/authenticate", content=body).status_code == 400
    assert stranger.post("/api/v1/authenticate", json={"application_token": emulator.token}).status_code == 200


def test_login_answers_without_a_refresh_token_where_configured(emulator: Emulator, stranger: httpx.Client) -> None:
    emulator.configure(refresh_token=False)
    answer = stranger.post("/api/v1/authenticate", json={"application_token": emulator.token})
    assert answer.json().keys() == {"auth_token"}


def test_what_is_no_token_is_401_in_the_recorded_words(stranger: httpx.Client) -> None:
    answer = stranger.get("/api/v1/sim", headers={"Authorization": "Bearer None"})
    words = "token contains an invalid number of segments"
    assert (answer.status_code, answer.json()) == (401, {"message": words})


@pytest.mark.parametrize("path", ["/api/v1/sim", "/api/v1/sim/1", "/api/v1/endpoint", "/api/v1/event", "/nowhere"])
def test_every_other_call_needs_a_token(stranger: httpx.Client, path: str) -> None:
    answer = stranger.get(path)
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})


def test_token_lives_as_long_as_configured(emulator: Emulator, stranger: httpx.Client, clock: Any) -> None:
    emulator.configure(token_life_s=60)
    token = stranger.post("/api/v1/authenticate", json={"application_token": emulator.token}).json()["auth_token"]
    stranger.headers["Authorization"] = f"Bearer {token}"
    clock.advance(59)
    assert stranger.get("/api/v1/sim").status_code == 200
    clock.advance(1)
    assert stranger.get("/api/v1/sim").status_code == 401


def test_organisation_and_tariff_plan_are_those_of_the_sims(emulator: Emulator, client: httpx.Client) -> None:
    emulator.refill([Group(2, SimStatus.ACTIVATED), Group(1)])
    organisation = client.get("/api/v1/organisation/my").json()
    assert organisation["id"] == OWN_ORGANISATION == client.get("/api/v1/sim").json()[0]["customer_org"]["id"]
    plan = client.get("/api/v1/tariff_plan/active").json()
    assert (plan["organisation_id"], plan["sim_activated_amount"], plan["active"]) == (OWN_ORGANISATION, 2, True)
