import asyncio
from pathlib import Path

import httpx
import pytest

from simtandem.carriers.emnify.response_mapping import Kind
from simtandem.carriers.emnify.transport import ATTEMPTS
from simtandem.emulator.server import Emulator, FaultKind, FaultRule, Group
from simtandem.errors import AuthenticationFailed, CarrierUnavailable
from tests.simtandem.carriers.emnify.rig import (
    APPLICATION_TOKEN,
    GOOD,
    NO_CERTIFICATES,
    ON_CALL,
    Rig,
    ScriptedCarrier,
    emulated,
    get,
    logged_in,
    says,
    scripted,
)

START = 1_750_000_000.0
AUTHENTICATE = "POST /api/v1/authenticate"


def called(carrier: Emulator) -> dict[str, int]:
    routes: dict[str, int] = carrier.stats()["by_route"]
    return routes


class Door:
    """A carrier that answers logins with what it was given, in turn, and everything else well."""

    def __init__(self, *answers: httpx.Response) -> None:
        self._answers = list(answers)
        self.logins = 0
        self.others = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/authenticate"):
            self.others += 1
            return GOOD(request)
        self.logins += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class HandClock:
    """A clock a test moves by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


async def test_many_callers_log_in_once(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    assert await asyncio.gather(*(get(rig) for _ in range(20))) == [Kind.OK] * 20
    assert called(carrier) == {AUTHENTICATE: 1, "GET /api/v1/sim/{id}": 20}


async def test_token_revoked_under_many_callers_is_renewed_once_and_all_go_on(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    await get(rig)
    carrier.configure(latency_s=0.02)  # so that all of them are on their way when the token goes
    carrier.inject(FaultRule(FaultKind.REVOKED, path="/sim/", times=1))
    assert await asyncio.gather(*(get(rig) for _ in range(20))) == [Kind.OK] * 20
    assert called(carrier)[AUTHENTICATE] == 2
    assert carrier.stats()["by_status"]["401"] > 1


async def test_write_met_by_a_401_is_sent_again_with_the_new_token(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    carrier.inject(FaultRule(FaultKind.REVOKED, method="PATCH", times=1))
    assert (await rig.transport.send(ON_CALL)).kind is Kind.OK
    assert carrier.stats()["sim_patches"] == 1
    assert rig.journal.sent("PATCH") == [("change", 1), ("change", 2)]


async def test_wrong_application_token_costs_one_login_however_many_ask(tmp_path: Path, carrier: Emulator) -> None:
    async with emulated(tmp_path, carrier) as rig:
        carrier.refill([Group(1)])
        carrier.configure(latency_s=0.01)
        wrong = Rig(tmp_path / "wrong", rig.transport._http, "not-the-token")
        got = await asyncio.gather(*(get(wrong) for _ in range(20)), return_exceptions=True)
        wrong.budget.close()
    assert {type(each) for each in got} == {AuthenticationFailed}
    assert called(carrier) == {AUTHENTICATE: 1}
    assert "does not accept the application token (HTTP 401)" in str(got[0])
    assert "SIMTANDEM_EMNIFY_TOKEN" in str(got[0])


async def test_locked_account_is_told_from_a_wrong_token(carrier: Emulator, rig: Rig) -> None:
    async with httpx.AsyncClient(base_url=carrier.url, verify=NO_CERTIFICATES) as stranger:
        for _ in range(3):
            await stranger.post("/api/v1/authenticate", json={"application_token": "wrong"})
    with pytest.raises(AuthenticationFailed, match=r"locked the account.*wait five minutes"):
        await get(rig)
    assert called(carrier) == {AUTHENTICATE: 4}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(403),
        httpx.Response(404, json={"message": "Not Found"}),
        httpx.Response(400, json={"error_code": 1400, "message": f"no such token: {APPLICATION_TOKEN}"}),
        httpx.Response(302, headers={"Location": "https://elsewhere.test"}),
        httpx.Response(200, json={"refresh_token": "and nothing else"}),
        httpx.Response(200, json={"auth_token": ""}),
        httpx.Response(200, json=["odd"]),
    ],
)
async def test_login_that_is_refused_is_not_tried_again_and_names_no_token(
    tmp_path: Path, answer: httpx.Response
) -> None:
    door = Door(answer)
    async with scripted(tmp_path, door) as rig:
        with pytest.raises(AuthenticationFailed) as caught:
            await get(rig)
    assert (door.logins, door.others) == (1, 0)
    assert APPLICATION_TOKEN not in str(caught.value) + repr(caught.value)
    assert "tried once only" in str(caught.value)


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(503),
        httpx.Response(502, text="<html>Bad Gateway</html>"),
        httpx.Response(200, text="<html>Welcome to the hotel's network</html>"),
        httpx.Response(200, content=b'{"auth_token": "eyJ'),
        httpx.Response(429, headers={"Retry-After": "3"}),
        httpx.Response(429),
    ],
)
async def test_login_is_repeated_while_the_carrier_is_in_trouble(tmp_path: Path, trouble: httpx.Response) -> None:
    door = Door(trouble, logged_in())
    async with scripted(tmp_path, door) as rig:
        assert await get(rig) is Kind.OK
    assert door.logins == 2
    assert sum(rig.time.naps) > 0.1


async def test_login_without_an_answer_ends_after_so_many_attempts(tmp_path: Path) -> None:
    door = Door(httpx.Response(503))
    async with scripted(tmp_path, door) as rig:
        with pytest.raises(CarrierUnavailable, match="can't be reached to authenticate") as caught:
            await get(rig)
    assert door.logins == ATTEMPTS
    assert caught.value.status == 503
    assert not caught.value.maybe_processed


async def test_carrier_that_rejects_every_token_it_makes_is_not_asked_for_ever(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(says(401))
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(AuthenticationFailed, match="refuses tokens that it has just made"):
            await get(rig)
    assert len(carrier.requests) <= 5


async def test_token_is_renewed_before_the_carrier_rejects_it(tmp_path: Path) -> None:
    clock = HandClock()
    with Emulator([Group(1)], clock=clock, token_life_s=30) as carrier:
        async with emulated(tmp_path, carrier) as rig:
            rig.transport.tokens._clock = clock
            for at in (0, 26, 28, 29.5, 50, 60):
                clock.now = START + at
                assert await get(rig) is Kind.OK
        assert called(carrier)[AUTHENTICATE] == 3
        assert carrier.stats()["by_status"] == {"200": 9}


async def test_token_that_ends_before_the_hosts_clock_says_so_is_renewed_after_the_401(tmp_path: Path) -> None:
    clock, slow = HandClock(), HandClock()
    with Emulator([Group(1)], clock=clock, token_life_s=600) as carrier:
        async with emulated(tmp_path, carrier) as rig:
            slow.now = START - 3600
            rig.transport.tokens._clock = slow
            await get(rig)
            clock.now += 601
            assert await get(rig) is Kind.OK
        assert called(carrier)[AUTHENTICATE] == 2
        assert carrier.stats()["by_status"]["401"] == 1
