import json
from pathlib import Path

import httpx
import pytest

from schemas.statuses import EndpointStatus, Outcome, SimStatus
from simtandem.carriers.emnify.sim_writer import change_sim
from simtandem.carriers.emnify.transport import ATTEMPTS
from simtandem.carriers.protocol import Change, Fresh, Outdated, StepResult
from simtandem.emulator.server import Emulator, FaultKind, FaultRule, Group
from simtandem.errors import AuthenticationFailed, CarrierUnavailable, Interrupted
from tests.simtandem.carriers.emnify.rig import (
    FIRST_SIM,
    Handler,
    Rig,
    ScriptedCarrier,
    breaks,
    calls_to,
    logged_in,
    says,
    scripted,
    sim,
    sim_change,
)

ISSUED, ACTIVE, SUSPENDED = SimStatus.ISSUED, SimStatus.ACTIVATED, SimStatus.SUSPENDED
ON, OFF = EndpointStatus.ENABLED, EndpointStatus.DISABLED
PATCH_SIM, GET_SIM = "PATCH /api/v1/sim/{id}", "GET /api/v1/sim/{id}"
SILENCES = [FaultKind.RESET, FaultKind.CLOSE, FaultKind.HTML, FaultKind.ERROR]


async def change(rig: Rig, what: Change | None = None) -> StepResult:
    return await change_sim(rig.transport, rig.reader, what or sim_change())


async def test_answered_change_is_applied_with_one_call(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    assert await change(rig) == StepResult(2, Outcome.APPLIED, 1, 204)
    assert carrier.fleet.sim(FIRST_SIM).status is ACTIVE
    assert calls_to(carrier) == {PATCH_SIM: 1}


@pytest.mark.parametrize(("after", "number"), [(ACTIVE, 1), (SUSPENDED, 2), (SimStatus.FACTORY_TEST, 4)])
async def test_body_holds_the_status_and_nothing_else(tmp_path: Path, after: SimStatus, number: int) -> None:
    carrier = ScriptedCarrier(says(204))
    async with scripted(tmp_path, carrier) as rig:
        await change(rig, sim_change(7, ISSUED, after))
    (request,) = carrier.requests
    assert (request.method, request.url.path) == ("PATCH", "/api/v1/sim/7")
    assert json.loads(request.content) == {"status": {"id": number}}
    assert request.headers["Content-Type"] == "application/json"
    assert rig.journal.calls[-1].body == request.content.decode()


def until(rig: Rig, moment: float) -> Fresh:
    """A look that is good enough until then, by the rig's clock."""
    return lambda: rig.time.clock() < moment


async def test_a_change_whose_turn_comes_too_late_is_not_sent(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    rig.budget.throttled(120)
    with pytest.raises(Outdated) as late:
        await change_sim(rig.transport, rig.reader, sim_change(), until(rig, rig.time.now + 60))
    assert not late.value.sent
    assert calls_to(carrier) == {}
    assert "PATCH" not in {call.method for call in rig.journal.calls}


async def test_a_repeat_that_comes_too_late_says_that_something_was_sent(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    carrier.inject(FaultRule(FaultKind.RESET, "PATCH", "/sim/", times=1))
    good = iter([True, True])
    with pytest.raises(Outdated) as late:
        await change_sim(rig.transport, rig.reader, sim_change(), lambda: next(good, False) and not calls_to(carrier))
    assert late.value.sent


async def test_organisations_of_a_sim_are_left_alone(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    carrier.change(lambda fleet: setattr(fleet.sim(FIRST_SIM), "reseller_org", 99))
    before = carrier.fleet.sim(FIRST_SIM)
    kept = (before.issuer_org, before.reseller_org, before.customer_org)
    await change(rig)
    after = carrier.fleet.sim(FIRST_SIM)
    assert (after.issuer_org, after.reseller_org, after.customer_org) == kept


@pytest.mark.parametrize("silence", SILENCES)
async def test_unanswered_patch_that_was_carried_out_is_read_back_and_not_sent_again(
    carrier: Emulator, rig: Rig, silence: FaultKind
) -> None:
    carrier.refill([Group(1)])
    carrier.inject(FaultRule(silence, method="PATCH", processed=True, times=1))
    result = await change(rig)
    assert (result.outcome, result.attempts, result.error) == (Outcome.APPLIED, 1, "")
    assert calls_to(carrier) == {PATCH_SIM: 1, GET_SIM: 1}
    assert rig.journal.sent("PATCH", "GET") == [("change", 1), ("read_back", 1)]


@pytest.mark.parametrize("silence", SILENCES)
async def test_unanswered_patch_is_read_before_it_is_sent_again(
    carrier: Emulator, rig: Rig, silence: FaultKind
) -> None:
    carrier.refill([Group(1)])
    carrier.inject(FaultRule(silence, method="PATCH", times=2))
    assert await change(rig) == StepResult(2, Outcome.APPLIED, 3, 204)
    assert [call.method for call in rig.journal.calls[1:]] == ["PATCH", "GET", "PATCH", "GET", "PATCH"]
    assert rig.journal.sent("PATCH") == [("change", 1), ("change", 2), ("change", 3)]
    assert carrier.stats()["needless_sim_patches"] == 0


@pytest.mark.parametrize(
    "silence",
    [
        breaks(httpx.ReadTimeout),
        breaks(httpx.WriteTimeout),
        breaks(httpx.RemoteProtocolError),
        says(408),
        says(504, text="<html>Gateway Timeout</html>"),
        says(200, text="<html>Please log in</html>"),
        says(503, {"error_code": 1601, "message": "unavailable"}),
    ],
)
@pytest.mark.parametrize("processed", [True, False])
async def test_every_silence_is_read_back(tmp_path: Path, silence: Handler, processed: bool) -> None:
    carrier = ScriptedCarrier(silence, says(200, sim(1 if processed else 0)), says(204))
    async with scripted(tmp_path, carrier) as rig:
        result = await change(rig)
    assert (result.outcome, result.attempts) == (Outcome.APPLIED, 1 if processed else 2)
    methods = [request.method for request in carrier.requests]
    assert methods == (["PATCH", "GET"] if processed else ["PATCH", "GET", "PATCH"])


async def test_there_is_a_pause_before_the_status_is_read_back(tmp_path: Path) -> None:
    paused: list[int] = []

    def read_back(request: httpx.Request) -> httpx.Response:
        paused.append(len(rig.time.naps))
        return says(200, sim(1))(request)

    async with scripted(tmp_path, ScriptedCarrier(breaks(httpx.ReadTimeout), read_back)) as rig:
        await change(rig)
    assert paused == [1]


async def test_patch_that_landed_after_it_was_read_back_counts_as_applied(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(
        breaks(httpx.ReadTimeout), says(200, sim(0)), says(409, {"error_code": 1406}), says(200, sim(1))
    )
    async with scripted(tmp_path, carrier) as rig:
        result = await change(rig)
    assert (result.outcome, result.attempts) == (Outcome.APPLIED, 2)


async def test_change_that_never_gets_through_fails_after_so_many_attempts(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    carrier.inject(FaultRule(FaultKind.HTML, method="PATCH"))
    result = await change(rig)
    assert (result.outcome, result.attempts, result.http_status, result.now) == (Outcome.FAILED, ATTEMPTS, 502, ISSUED)
    assert f"{ATTEMPTS} times" in result.error
    assert calls_to(carrier) == {PATCH_SIM: ATTEMPTS, GET_SIM: ATTEMPTS}


@pytest.mark.parametrize(
    ("read", "words", "now"),
    [(says(200, sim(2)), "the SIM is Suspended now", SUSPENDED), (says(404), "the SIM is gone now", None)],
)
async def test_sim_found_elsewhere_after_a_silence_is_left_to_whoever_moved_it(
    tmp_path: Path, read: Handler, words: str, now: SimStatus | None
) -> None:
    carrier = ScriptedCarrier(says(502), read)
    async with scripted(tmp_path, carrier) as rig:
        result = await change(rig)
    assert (result.outcome, result.now) == (Outcome.FAILED, now)
    assert words in result.error
    assert "someone else" in result.error
    assert len(carrier.requests) == 2


@pytest.mark.parametrize(
    "unread",
    [says(503), breaks(httpx.ConnectError), breaks(httpx.ReadTimeout)],
)
@pytest.mark.parametrize("patch", [says(502), says(409)])
async def test_change_that_cannot_be_read_back_is_raised_as_perhaps_processed(
    tmp_path: Path, patch: Handler, unread: Handler
) -> None:
    carrier = ScriptedCarrier(patch, unread)
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(CarrierUnavailable, match=f"SIM {FIRST_SIM}: .* could not be read back") as caught:
            await change(rig)
    assert caught.value.maybe_processed
    assert carrier.lines.count(f"PATCH /api/v1/sim/{FIRST_SIM}") == 1


@pytest.mark.parametrize("unread", [says(400, {"error_code": 1000}), says(403), says(422)])
@pytest.mark.parametrize(("patch", "outcome"), [(says(502), Outcome.UNKNOWN), (says(409), Outcome.REFUSED)])
async def test_sim_that_the_carrier_will_not_show_costs_its_own_row_only(
    tmp_path: Path, patch: Handler, outcome: Outcome, unread: Handler
) -> None:
    async with scripted(tmp_path, ScriptedCarrier(patch, unread)) as rig:
        result = await change(rig)
    assert result.outcome is outcome
    assert "reading it back was refused" in result.error


async def test_sim_in_a_status_nobody_knows_is_not_called_gone(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(502), says(200, sim(9)))) as rig:
        result = await change(rig)
    assert (result.outcome, result.now) == (Outcome.FAILED, None)
    assert "in a status not known here" in result.error


@pytest.mark.parametrize(
    ("code", "message"), [(1401, "Sim with Id '1' not found."), (1201, "not found"), (1601, "No IP Address available.")]
)
async def test_a_404_refuses_that_sim_at_once_whatever_the_code(tmp_path: Path, code: int, message: str) -> None:
    carrier = ScriptedCarrier(says(404, {"error_code": code, "message": message}))
    async with scripted(tmp_path, carrier) as rig:
        result = await change(rig)
    assert (result.outcome, result.attempts, result.http_status) == (Outcome.REFUSED, 1, 404)
    assert message in result.error
    assert len(carrier.requests) == 1


async def test_stop_between_patch_and_read_back_is_raised_as_perhaps_processed(tmp_path: Path) -> None:
    def stop(request: httpx.Request) -> httpx.Response:
        rig.budget.halt()
        return says(502)(request)

    async with scripted(tmp_path, ScriptedCarrier(stop)) as rig:
        with pytest.raises(CarrierUnavailable) as caught:
            await change(rig)
    assert caught.value.maybe_processed


async def test_change_that_never_left_is_raised_as_not_processed(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(breaks(httpx.ConnectError))) as rig:
        with pytest.raises(CarrierUnavailable) as caught:
            await change(rig)
        rig.budget.halt()
        with pytest.raises(Interrupted):
            await change(rig)
    assert not caught.value.maybe_processed
    assert {call.method for call in rig.journal.calls} == {"POST", "PATCH"}


async def test_being_locked_out_is_not_mistaken_for_an_outage(tmp_path: Path) -> None:
    logins = [logged_in(), httpx.Response(401)]

    def carrier(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return logins.pop(0)
        return says(502 if request.method == "PATCH" else 401)(request)

    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(AuthenticationFailed) as refused:
            await change(rig)
    assert refused.value.maybe_processed


async def test_a_change_that_is_answered_that_the_token_is_refused_says_so(tmp_path: Path) -> None:
    logins = [logged_in(), httpx.Response(401)]

    def carrier(request: httpx.Request) -> httpx.Response:
        return logins.pop(0) if request.method == "POST" else says(401)(request)

    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(AuthenticationFailed) as refused:
            await change(rig)
        with pytest.raises(AuthenticationFailed) as unsent:
            await change(rig)
    assert (refused.value.status, refused.value.attempts, refused.value.maybe_processed) == (401, 1, False)
    assert (unsent.value.status, unsent.value.maybe_processed) == (None, False)
    assert [call.method for call in rig.journal.calls] == ["POST", "PATCH", "POST"]


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_refusal_is_believed_only_after_reading(carrier: Emulator, rig: Rig, status: int) -> None:
    carrier.refill([Group(1, ACTIVE, ON)])
    carrier.configure(same_status=status)
    result = await change(rig)
    assert (result.outcome, result.attempts, result.http_status, result.error) == (Outcome.UNCHANGED, 1, status, "")
    assert calls_to(carrier) == {PATCH_SIM: 1, GET_SIM: 1}


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_illegal_move_is_refused_with_what_the_carrier_said_and_where_the_sim_is(
    carrier: Emulator, rig: Rig, status: int
) -> None:
    carrier.refill([Group(1, ISSUED, OFF)])
    carrier.configure(illegal_move=status)
    result = await change(rig, sim_change(after=SUSPENDED))
    assert (result.outcome, result.http_status, result.now) == (Outcome.REFUSED, status, ISSUED)
    assert f"HTTP {status}" in result.error
    assert calls_to(carrier) == {PATCH_SIM: 1, GET_SIM: 1}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(403), "may not do this"),
        (says(400, {"error_code": 1104, "message": "Forbidden"}), "may not do this"),
        (says(404), "does not have it"),
        (says(404, {"error_code": 1201, "message": "SIM not found"}), "does not have it"),
        (says(302, Location="https://elsewhere.test"), "base address"),
    ],
)
async def test_refusal_that_cannot_mean_the_status_is_there_already_is_final(
    tmp_path: Path, answer: Handler, words: str
) -> None:
    carrier = ScriptedCarrier(answer)
    async with scripted(tmp_path, carrier) as rig:
        result = await change(rig)
    assert (result.outcome, result.attempts) == (Outcome.REFUSED, 1)
    assert words in result.error
    assert len(carrier.requests) == 1
