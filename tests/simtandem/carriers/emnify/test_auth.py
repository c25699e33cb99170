"""A token that was refused is not tried again, by whichever process, until it changes or an operator says so."""

import asyncio
from pathlib import Path

import httpx
import pytest

from simtandem.carriers.emnify.response_mapping import Kind
from simtandem.emulator.server import Emulator, Group
from simtandem.errors import AuthenticationFailed, CarrierError, Interrupted
from tests.simtandem.carriers.emnify.rig import GOOD, Rig, emulated, get, logged_in, scripted


class Door:
    """A carrier that answers every login so, and everything else well."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.logins = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/authenticate"):
            return GOOD(request)
        self.logins += 1
        await asyncio.sleep(0)
        return self.answer


async def tried(home: Path, door: Door) -> str:
    """What a process of its own gets told when it reads something; empty where it is let in."""
    async with scripted(home, door) as rig:  # type: ignore[arg-type]
        try:
            assert await get(rig) is Kind.OK
        except CarrierError as error:
            return str(error)
    return ""


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401),
        httpx.Response(401, text="<html>no</html>"),
        httpx.Response(401, json={"message": "Unauthorized"}),
        httpx.Response(403, json={"error_code": 1104, "error_token": "Forbidden", "message": "Forbidden"}),
        httpx.Response(400, json={"error_code": 1403, "error_token": "InvalidFormat", "message": "no token"}),
        httpx.Response(404, json={"error_code": 1401, "error_token": "InvalidReference", "message": "unknown"}),
    ],
)
async def test_refused_token_is_tried_once_however_many_processes_come(tmp_path: Path, answer: httpx.Response) -> None:
    door = Door(answer)
    first, second, third = [await tried(tmp_path, door) for _ in range(3)]
    assert door.logins == 1
    assert "does not accept the application token" in first
    assert second == third
    assert "refused this application token at 20" in second
    assert "Nothing was sent" in second
    assert "simtandem retry-token" in first
    assert "simtandem retry-token" in second


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(403, text="<html>Access denied</html>"),
        httpx.Response(404, json={"message": "no Route matched with those values"}),
        httpx.Response(400),
        httpx.Response(429, headers={"Retry-After": "1"}),
        httpx.Response(503, json={"error_code": 1601}),
        httpx.Response(302, headers={"Location": "https://elsewhere.test"}),
        httpx.Response(200, text="<html>Welcome</html>"),
    ],
)
async def test_what_is_no_word_about_the_token_is_not_remembered(tmp_path: Path, answer: httpx.Response) -> None:
    door = Door(answer)
    assert await tried(tmp_path, door)
    door.answer = logged_in()
    assert await tried(tmp_path, door) == ""


async def test_of_many_processes_that_begin_together_one_tries(tmp_path: Path) -> None:
    door = Door(httpx.Response(401))
    told = await asyncio.gather(*(tried(tmp_path, door) for _ in range(5)))
    assert door.logins == 1
    assert all("application token" in each for each in told)


async def test_another_token_is_tried_and_so_is_the_same_one_once_an_operator_says_so(tmp_path: Path) -> None:
    door = Door(httpx.Response(401))
    await tried(tmp_path, door)
    async with scripted(tmp_path, door) as rig:  # type: ignore[arg-type]
        another = Rig(tmp_path, rig.transport._http, "another-token")
        with pytest.raises(AuthenticationFailed):
            await get(another)
        another.budget.close()
        assert door.logins == 2
        assert rig.refused.forget() == 2
        door.answer = logged_in()
        assert await get(rig) is Kind.OK
    assert await tried(tmp_path, door) == ""


async def test_locked_account_is_left_alone_while_the_lock_lasts(tmp_path: Path) -> None:
    locked = {"error_code": 1105, "error_token": "TooManyRequests", "message": "locked"}
    door = Door(httpx.Response(403, json=locked))
    assert "locked the account" in await tried(tmp_path, door)
    assert "Run again after" in await tried(tmp_path, door)
    assert door.logins == 1


async def test_token_refused_in_the_middle_of_a_run_is_remembered(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(1)])
    async with emulated(tmp_path, carrier) as rig:
        await get(rig)
        rig.transport._application_token = "revoked"  # as the carrier sees it now
        with pytest.raises(AuthenticationFailed):
            await rig.transport.tokens.current(rejected=await rig.transport.tokens.current())
        assert rig.refused.refusal_of(carrier.token) is not None


async def test_who_waits_for_the_login_of_another_process_can_be_stopped(tmp_path: Path) -> None:
    door = Door(logged_in())
    async with (
        scripted(tmp_path, door) as rig,  # type: ignore[arg-type]
        scripted(tmp_path, door) as other,  # type: ignore[arg-type]
    ):

        async def stop_the_other() -> str:
            other.budget.halt()
            with pytest.raises(Interrupted):
                await get(other)
            return "token"

        assert await rig.transport._gate.log_in(stop_the_other) == "token"
    assert door.logins == 0
