"""Two kinds of token, each for its own part of the platform."""

import pytest

from simtandem.emulator.iot_accelerator.server import IotAcceleratorEmulator, IotFaultRule
from simtandem.emulator.stand_in import STAND_IN
from tests.simtandem.emulator.hand_clock import START, HandClock
from tests.simtandem.emulator.iot_accelerator.asking import DCP, Asking


def test_bearer_is_given_as_documented(stranger: Asking) -> None:
    answer = stranger.bearer()
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("JWT", 300)
    assert body["access_token"].count(".") == 2
    assert answer.headers[STAND_IN] == "life of the token"


def test_wrong_password_and_missing_fields_are_answered_as_documented(stranger: Asking) -> None:
    wrong = stranger.bearer(password="another")
    assert (wrong.status_code, wrong.json()) == (
        401,
        {"code": 2040, "httpStatus": 401, "message": "Invalid credentials"},
    )
    missing = stranger.bearer(username="")
    assert (missing.status_code, missing.json()["code"]) == (400, 4000)
    assert missing.json()["detailedMessage"] == "tokenV3.arg1.username: username must not be null"
    assert stranger.bearer(client_id="another").status_code == 400
    assert stranger.login("another").status_code == 401


def test_access_token_says_when_it_ends_in_milliseconds(platform: IotAcceleratorEmulator, stranger: Asking) -> None:
    body = stranger.login().json()
    assert body.keys() == {"message", "expirationTime", "userId", "token"}
    assert body["expirationTime"] == (START + 1800) * 1000
    platform.configure(expiry="left")
    assert stranger.login().json()["expirationTime"] == 1800 * 1000


def test_form_logs_in_too(stranger: Asking) -> None:
    answer = stranger.client.post(
        DCP + "/login-form", data={"username": "operator@example.com", "password": "emulator-password"}
    )
    assert answer.json()["token"]


def test_each_token_opens_its_own_part_only(stranger: Asking) -> None:
    bearer, access = stranger.bearer().json()["access_token"], stranger.login().json()["token"]
    stranger.client.headers["Authorization"] = f"Bearer {bearer}"
    assert stranger.listed().status_code == 200
    assert stranger.find().status_code == 401
    stranger.client.headers.update({"Authorization": f"Bearer {access}", "X-Access-Token": access})
    assert stranger.listed().status_code == 401
    assert stranger.find().status_code == 200


def test_tokens_end_and_the_access_token_can_be_renewed_before(asking: Asking, hand_clock: HandClock) -> None:
    hand_clock.advance(299)
    assert asking.listed().status_code == 200
    hand_clock.advance(1)
    ended = asking.listed()
    assert (ended.status_code, ended.json()["detail"]) == (401, "Token expired")
    hand_clock.advance(1499)
    asking.client.headers["X-Access-Token"] = asking.client.post(DCP + "/token-reissue").json()["token"]
    hand_clock.advance(100)
    assert asking.find().status_code == 200
    hand_clock.advance(1800)
    assert asking.find().status_code == 401
    assert asking.client.post(DCP + "/token-reissue").status_code == 401


@pytest.mark.parametrize("by", ["fault", "control"])
def test_every_token_is_revoked(platform: IotAcceleratorEmulator, asking: Asking, by: str) -> None:
    if by == "fault":
        platform.inject(IotFaultRule("revoked", times=1))
    else:
        asking.control("tokens", {})
    assert asking.listed().status_code == 401
    asking.log_in()
    assert asking.listed().status_code == 200
