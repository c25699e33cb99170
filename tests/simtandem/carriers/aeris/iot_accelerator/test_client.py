"""One call to a typed answer, on the emulator and on answers that it can't make; passwords and tokens show nowhere."""

import asyncio
import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from simtandem.carriers.aeris.iot_accelerator.client import IotAcceleratorClient
from simtandem.carriers.aeris.iot_accelerator.logins import Credentials
from simtandem.carriers.aeris.iot_accelerator.rates import Rate, Rates
from simtandem.carriers.http_call import Kind
from simtandem.emulator.iot_accelerator.server import (
    COMPANY,
    PASSWORD,
    USERNAME,
    IotAcceleratorEmulator,
    IotFaultRule,
)
from simtandem.errors import AuthenticationFailed, CarrierRefused, CarrierUnavailable
from tests.simtandem.carriers.aeris.iot_accelerator.scripted import scripted
from tests.simtandem.carriers.aeris.rig import budget, network
from tests.simtandem.carriers.emnify.rig import MemoryJournal, QuickTime
from tests.simtandem.emulator.hand_clock import HandClock


def iccs(emulator: IotAcceleratorEmulator) -> list[str]:
    return emulator.change(lambda site: [each.icc for each in site.inventory.subscriptions])


async def test_subscriptions_are_read_by_their_ids(
    emulator: IotAcceleratorEmulator, client: IotAcceleratorClient
) -> None:
    asked = [*iccs(emulator)[:2], "99987000000000000000"]
    async with client:
        answer = await client.details("ICC", asked)
    assert answer.reply.kind is Kind.OK
    assert [(each.iccid, each.state_word) for each in answer.subscriptions] == [(icc, "ACTIVE") for icc in asked[:2]]


async def test_company_is_listed_page_by_page(emulator: IotAcceleratorEmulator, client: IotAcceleratorClient) -> None:
    found, cursor, pages = [], "", 0
    async with client:
        while True:
            answer = await client.page(COMPANY, cursor, limit=4)
            found += [each.iccid for each in answer.subscriptions]
            pages, cursor = pages + 1, answer.cursor
            if not cursor:
                break
    assert (found, pages) == (iccs(emulator), 2)


async def test_change_is_submitted_and_polled_to_its_end(
    emulator: IotAcceleratorEmulator, client: IotAcceleratorClient, clock: HandClock, journal: MemoryJournal
) -> None:
    asked = [iccs(emulator)[0], iccs(emulator)[-1]]
    async with client:
        submitted = await client.submit("ICC", asked, "PAUSE")
        assert submitted.reply.kind is Kind.OK
        assert (await client.poll(submitted.ticket)).state_word == "IN_PROGRESS"
        clock.advance(1)
        state = await client.poll(submitted.ticket)
    assert (state.state_word, state.size) == ("COMPLETED_WITH_FAILURES", 2)
    assert [(each.iccid, each.state_word) for each in state.lines] == [(asked[0], "COMPLETED"), (asked[1], "FAILED")]
    assert state.lines[1].reasons == ("Subscription is locked",)
    changes = [call for call in journal.calls if call.purpose == "change"]
    assert json.loads(changes[0].body or "")["subscriptions"]["identifiers"] == asked
    assert journal.unanswered() == []


async def test_poll_reads_one_page_of_the_request(
    emulator: IotAcceleratorEmulator, client: IotAcceleratorClient
) -> None:
    async with client:
        ticket = (await client.submit("ICC", iccs(emulator), "DEACTIVATED")).ticket
        state = await client.poll(ticket, 1, per_page=4)
    assert (state.size, [each.iccid for each in state.lines]) == (6, iccs(emulator)[4:])


async def test_request_whose_answer_was_lost_is_found_again(
    emulator: IotAcceleratorEmulator, client: IotAcceleratorClient, clock: HandClock
) -> None:
    emulator.inject(IotFaultRule("close", path="state-changes", processed=True))
    since = datetime.fromtimestamp(clock(), UTC)
    async with client:
        lost = await client.submit("ICC", iccs(emulator)[:1], "PAUSE")
        assert (lost.reply.kind, lost.ticket) == (Kind.UNANSWERED, "")
        found = await client.find(USERNAME, since)
        assert len(found.tickets) == 1
        assert [each.iccid for each in (await client.poll(found.tickets[0])).lines] == iccs(emulator)[:1]
        emulator.configure(found_as="strings")
        assert (await client.find(USERNAME, since)).tickets == found.tickets


async def test_unknown_request_is_refused(client: IotAcceleratorClient) -> None:
    async with client:
        state = await client.poll("REQ1")
        with pytest.raises(CarrierRefused, match="not the id of a request"):
            await client.poll("../login")
    assert (state.reply.kind, state.reply.status, state.lines) == (Kind.REFUSED, 404, ())


async def test_problem_is_told_in_its_own_words(client: IotAcceleratorClient) -> None:
    async with client:
        answer = await client.submit("EID", ["1"], "PAUSE")
    assert answer.reply.kind is Kind.REFUSED
    assert "Missing mandatory request parameters" in answer.reply.sentence


async def test_each_kind_of_token_is_made_once_and_renewed_when_it_ends(
    emulator: IotAcceleratorEmulator, client: IotAcceleratorClient
) -> None:
    async with client:
        await asyncio.gather(*(client.details("ICC", ["1"]) for _ in range(3)))
        await asyncio.gather(*(client.find(USERNAME, datetime.now(UTC)) for _ in range(3)))
        routes = emulator.stats()["by_route"]
        assert routes["POST /iot/api/auth/token"] == 1
        assert routes["POST /dcpapi/rest/subscriptionManagement/v1/login"] == 1
        emulator.change(lambda site: site.logins.revoke_all())
        assert (await client.details("ICC", ["1"])).reply.kind is Kind.OK
        assert (await client.find(USERNAME, datetime.now(UTC))).reply.kind is Kind.OK
    assert emulator.stats()["by_route"]["POST /iot/api/auth/token"] == 2


async def test_new_token_that_is_refused_as_well_ends_it(tmp_path: Path) -> None:
    client, recorder = scripted(
        lambda _: httpx.Response(401, json={"status": 401, "detail": "Unauthorized."}), tmp_path
    )
    async with client:
        assert (await client.details("ICC", ["1"])).reply.kind is Kind.UNAUTHORIZED
    assert [request.url.path.split("/")[-1] for request in recorder.requests] == [
        "token",
        "details",
        "token",
        "details",
    ]


async def test_wrong_password_is_tried_once(
    emulator: IotAcceleratorEmulator, tmp_path: Path, journal: MemoryJournal
) -> None:
    credentials = Credentials(emulator.url, USERNAME, "another-password-1")
    async with IotAcceleratorClient(credentials, budget(tmp_path), journal, transport=network()) as client:
        for _ in range(3):
            with pytest.raises(AuthenticationFailed, match="Invalid credentials"):
                await client.details("ICC", ["1"])
    assert emulator.stats()["calls"] == 1


async def test_login_without_an_answer_can_be_tried_again(
    emulator: IotAcceleratorEmulator, client: IotAcceleratorClient
) -> None:
    emulator.inject(IotFaultRule("error", path="auth/token", times=1))
    async with client:
        with pytest.raises(CarrierUnavailable, match="log in"):
            await client.details("ICC", ["1"])
        assert (await client.details("ICC", ["1"])).reply.kind is Kind.OK


async def test_no_window_holds_more_calls_than_published(
    emulator: IotAcceleratorEmulator, tmp_path: Path, clock: HandClock
) -> None:
    time = QuickTime()
    begun = time.now

    class SameClock:
        """The emulator's clock goes with the client's."""

        async def sleep(self, seconds: float) -> None:
            await time.sleep(seconds)
            clock.advance(seconds)

    limits = budget(tmp_path, time)
    limits._sleep = SameClock().sleep
    credentials = Credentials(emulator.url, USERNAME, PASSWORD)
    async with IotAcceleratorClient(
        credentials,
        limits,
        MemoryJournal(),
        rates=Rates(requests=Rate(10, 100)),
        transport=network(),
    ) as client:
        for _ in range(210):
            await client.submit("ICC", ["1"], "PAUSE")
    assert emulator.stats()["throttled"] == 0
    most = {"second": 10, "minute": 98}
    assert emulator.stats()["most_calls_by_limit"]["requests"] == most, "two are kept for urgent runs"
    assert time.now - begun < 130, "what the answers say is left is what it left itself"


async def test_a_contract_of_less_is_kept_from_the_first_answer_on(tmp_path: Path) -> None:
    less = {"X-RateLimit-Limit-Second": "2", "X-RateLimit-Limit-Minute": "4"}
    time, sent = QuickTime(), []

    def answer(_request: httpx.Request) -> httpx.Response:
        sent.append(time.now)
        return httpx.Response(201, json={"subscription_request_id": f"REQ{len(sent)}"}, headers=less)

    client, _ = scripted(answer, tmp_path, limits=budget(tmp_path, time))
    async with client:
        for _ in range(9):
            await client.submit("ICC", ["1"], "PAUSE")
    for start in sent:
        assert sum(start <= each < start + 1 for each in sent) <= 2
        assert sum(start <= each < start + 60 for each in sent) <= 4


async def test_calls_of_others_in_the_account_leave_fewer_in_a_minute(tmp_path: Path) -> None:
    time, sent = QuickTime(), []

    def answer(_request: httpx.Request) -> httpx.Response:
        """Others have made 90 calls, and make no more."""
        sent.append(time.now)
        left = {"X-RateLimit-Limit-Minute": "100", "X-RateLimit-Remaining-Minute": str(max(0, 10 - len(sent)))}
        return httpx.Response(201, json={"subscription_request_id": f"REQ{len(sent)}"}, headers=left)

    client, _ = scripted(answer, tmp_path, limits=budget(tmp_path, time))
    async with client:
        for _ in range(9):
            await client.submit("ICC", ["1"], "PAUSE")
    assert sent[7] - sent[0] < 2
    assert sent[8] - sent[0] >= 60, "two are kept for urgent runs"


async def test_429_without_retry_after_makes_the_next_call_wait(
    emulator: IotAcceleratorEmulator, tmp_path: Path
) -> None:
    emulator.inject(IotFaultRule("too_many", path="details", times=1))
    time, credentials = QuickTime(), Credentials(emulator.url, USERNAME, PASSWORD)
    async with IotAcceleratorClient(
        credentials, budget(tmp_path, time), MemoryJournal(), transport=network()
    ) as client:
        assert (await client.details("ICC", ["1"])).reply.kind is Kind.THROTTLED
        begun = time.now
        assert (await client.details("ICC", ["1"])).reply.kind is Kind.OK
    assert time.now - begun >= 1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("error", Kind.UNANSWERED),
        ("html", Kind.UNANSWERED),
        ("reset", Kind.UNANSWERED),
        ("truncated", Kind.UNANSWERED),
        ("cut_json", Kind.UNANSWERED),
    ],
)
async def test_fault_has_its_class(
    emulator: IotAcceleratorEmulator, client: IotAcceleratorClient, kind: str, expected: Kind
) -> None:
    emulator.inject(IotFaultRule(kind, path="details"))
    async with client:
        assert (await client.details("ICC", ["1"])).reply.kind is expected


async def test_password_and_tokens_are_sent_and_show_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, journal: MemoryJournal
) -> None:
    caplog.set_level(logging.DEBUG)

    def echo(request: httpx.Request) -> httpx.Response:
        said = f"{request.headers} {request.headers.get('Authorization')} a-password-nobody-repeats-7"
        return httpx.Response(400, json={"status": 400, "detail": said}, headers={"X-Request-Id": said})

    client, recorder = scripted(echo, tmp_path, journal)
    async with client:
        replies = [(await client.details("ICC", ["1"])).reply, (await client.poll("REQ1")).reply]
    assert recorder.requests[1].headers["Authorization"] == "Bearer bearer-nobody-repeats"
    assert recorder.requests[3].headers["X-Access-Token"] == "access-nobody-repeats"
    seen = f"{journal.lines} {[each.sentence for each in replies]} {caplog.text}"
    assert "nobody-repeats" not in seen
