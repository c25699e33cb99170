"""The history of changes, asked for and read page by page."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from simtandem.carriers.aeris.iot_accelerator.client import IotAcceleratorClient
from simtandem.carriers.http_call import Kind
from simtandem.emulator.iot_accelerator.server import USERNAME, IotAcceleratorEmulator, State
from simtandem.emulator.iot_accelerator.subscriptions import BY_ITSELF
from simtandem.errors import CarrierRefused
from tests.simtandem.carriers.aeris.iot_accelerator.scripted import scripted
from tests.simtandem.emulator.hand_clock import START, HandClock

SINCE = datetime.fromtimestamp(START, UTC)
UNTIL = SINCE + timedelta(days=1)


async def test_changes_tell_who_made_them(
    emulator: IotAcceleratorEmulator, client: IotAcceleratorClient, clock: HandClock
) -> None:
    first, second = emulator.change(lambda site: site.inventory.subscriptions[:2])
    async with client:
        ticket = (await client.submit("IMSI", [first.imsi], "ACTIVE_NO_BILLING")).ticket
        clock.advance(1)
        await client.poll(ticket)
        emulator.change(lambda site: site.inventory.enter(second, State.PAUSE, clock(), by="", operation=BY_ITSELF))
        asked = await client.ask_history([first.imsi, second.imsi], SINCE, UNTIL)
        answer = await client.history(asked.request_id)
    assert answer.reply.kind is Kind.OK
    by_request, by_itself = answer.changes
    assert (by_request.by, by_request.ticket, by_request.state_word) == (USERNAME, ticket, "ACTIVE_NO_BILLING")
    assert by_request.at == SINCE + timedelta(seconds=1)
    assert (by_itself.by, by_itself.ticket, by_itself.operation) == ("", "", BY_ITSELF)


async def test_empty_page_may_have_another_behind_it(
    emulator: IotAcceleratorEmulator, client: IotAcceleratorClient, clock: HandClock
) -> None:
    emulator.configure(changes_ready_s=30)
    subscription = emulator.change(lambda site: site.inventory.subscriptions[0])
    emulator.change(lambda site: site.inventory.enter(subscription, State.PAUSE, clock(), by="somebody"))
    async with client:
        asked = await client.ask_history([subscription.imsi], SINCE, UNTIL)
        first = await client.history(asked.request_id)
        assert (first.changes, bool(first.page)) == ((), True)
        clock.advance(30)
        second = await client.history(asked.request_id, first.page)
    assert ([each.by for each in second.changes], second.page) == (["somebody"], "")


async def test_question_that_is_refused_has_no_id(client: IotAcceleratorClient) -> None:
    async with client:
        asked = await client.ask_history([], SINCE, UNTIL)
        with pytest.raises(CarrierRefused, match="not the id of a request"):
            await client.history(asked.request_id)
    assert (asked.reply.kind, asked.request_id) == (Kind.REFUSED, "")


@pytest.mark.parametrize("location", ["", "http://elsewhere.example/", "/a/%2e%2e", "/a/b-c"])
async def test_place_without_an_id_is_no_answer(tmp_path: Path, location: str) -> None:
    client, _ = scripted(lambda _: httpx.Response(201, headers={"Location": location}), tmp_path)
    async with client:
        assert (await client.ask_history(["1"], SINCE, UNTIL)).reply.kind is Kind.UNANSWERED


async def test_place_elsewhere_is_never_called(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(201, headers={"Location": "http://elsewhere.example/steal/ABC1"})
        return httpx.Response(200, json={"changes": [], "next": "http://elsewhere.example/?page=42"})

    client, recorder = scripted(answer, tmp_path)
    async with client:
        asked = await client.ask_history(["1"], SINCE, UNTIL)
        answered = await client.history(asked.request_id)
        await client.history(asked.request_id, answered.page)
    assert (asked.request_id, answered.page) == ("ABC1", "42")
    assert {request.url.host for request in recorder.requests} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("content", "kind", "found"),
    [
        ({}, Kind.UNANSWERED, 0),
        ({"changes": [1]}, Kind.UNANSWERED, 0),
        ({"changes": [{"new_values": {"label": "depot"}}]}, Kind.OK, 0),
        ({"changes": [{"imsi": "1", "new_values": {"subscription_state": "pause"}}]}, Kind.UNANSWERED, 0),
        (
            {
                "changes": [
                    {"occured_at": "2026-01-01T00:00:00", "imsi": "1", "new_values": {"subscription_state": "pause"}}
                ]
            },
            Kind.UNANSWERED,
            0,
        ),
        (
            {
                "changes": [
                    {"occured_at": "2026-01-01T00:00:00Z", "imsi": "1", "new_values": {"subscription_state": "pause"}}
                ]
            },
            Kind.OK,
            1,
        ),
    ],
)
async def test_change_without_time_or_imsi_is_no_answer_and_others_are_left_out(
    tmp_path: Path, content: object, kind: Kind, found: int
) -> None:
    client, _ = scripted(lambda _: httpx.Response(200, json=content), tmp_path)
    async with client:
        answer = await client.history("ABC1")
    assert (answer.reply.kind, len(answer.changes)) == (kind, found)
