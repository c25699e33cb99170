"""Answers that the emulator does not make: what does not say all is no answer."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from simtandem.carriers.http_call import Kind
from tests.simtandem.carriers.aeris.iot_accelerator.scripted import scripted


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"subscriptions": {}},
        {"subscriptions": [{"iccid": "1"}]},
        {"subscriptions": [{"state": "ACTIVE"}]},
        {"subscriptions": [{"iccid": "1", "state": 1}]},
    ],
)
async def test_list_that_does_not_say_all_is_no_answer(tmp_path: Path, content: object) -> None:
    client, _ = scripted(lambda _: httpx.Response(200, json=content), tmp_path)
    async with client:
        answer = await client.details("ICC", ["1"])
    assert (answer.reply.kind, answer.subscriptions) == (Kind.UNANSWERED, ())


@pytest.mark.parametrize(
    "content",
    [
        {
            "subscriptionRequestId": "REQ2",
            "subscriptionRequestState": "COMPLETED",
            "size": 0,
            "subscriptionRequestResources": [],
        },
        {"subscriptionRequestId": "REQ1", "size": 0, "subscriptionRequestResources": []},
        {"subscriptionRequestId": "REQ1", "subscriptionRequestState": "COMPLETED", "size": 0},
        {"subscriptionRequestId": "REQ1", "subscriptionRequestState": "COMPLETED", "subscriptionRequestResources": []},
    ],
)
async def test_poll_that_does_not_say_all_is_no_answer(tmp_path: Path, content: dict[str, Any]) -> None:
    client, _ = scripted(lambda _: httpx.Response(200, json=content), tmp_path)
    async with client:
        assert (await client.poll("REQ1")).reply.kind is Kind.UNANSWERED


async def test_accepted_change_without_an_id_may_have_been_accepted(tmp_path: Path) -> None:
    client, _ = scripted(lambda _: httpx.Response(201, json={}), tmp_path)
    async with client:
        assert (await client.submit("ICC", ["1"], "PAUSE")).reply.kind is Kind.UNANSWERED


@pytest.mark.parametrize("items", [[1], [{}], [{"subscriptionRequestId": 1}], {}])
async def test_found_items_of_no_known_form_are_no_answer(tmp_path: Path, items: object) -> None:
    client, _ = scripted(lambda _: httpx.Response(200, json=items), tmp_path)
    async with client:
        assert (await client.find("me", datetime.now(UTC))).reply.kind is Kind.UNANSWERED


async def test_address_of_the_next_page_is_never_called_as_it_stands(tmp_path: Path) -> None:
    content = {"subscriptions": [], "next": "http://elsewhere.example/steal?cursor=42&q=COMPANY==1", "size": 0}
    client, recorder = scripted(lambda _: httpx.Response(200, json=content), tmp_path)
    async with client:
        first = await client.page("1")
        await client.page("1", first.cursor)
    assert first.cursor == "42"
    assert {request.url.host for request in recorder.requests} == {"127.0.0.1"}


async def test_ids_without_quotes_are_read_to_the_last_digit(tmp_path: Path) -> None:
    shown = {"iccid": 99987100883000170205, "imsi": 100883000170205, "msisdn": 200883000155016, "state": "ACTIVE"}
    client, _ = scripted(lambda _: httpx.Response(200, json={"subscriptions": [shown]}), tmp_path)
    async with client:
        found = (await client.details("ICC", ["99987100883000170205"])).subscriptions
    assert [(each.iccid, each.imsi) for each in found] == [("99987100883000170205", "100883000170205")]
