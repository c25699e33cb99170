"""A change without an answer is read back first, and sent again only where the SIM stayed where it was."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import polars as pl
import pytest

from schemas.statuses import Outcome
from simtandem.carriers.aeris.aeradmin.carrier import AerAdmin, Contract, Described
from simtandem.carriers.aeris.aeradmin.client import Access
from simtandem.carriers.aeris.aeradmin.state_change import StateChangeCall
from simtandem.carriers.protocol import Change, StepResult
from simtandem.errors import AuthenticationFailed, Interrupted
from simtandem.host.file_lock import lock_file, taken
from tests.simtandem.carriers.aeris.rig import Recorder, remembered
from tests.simtandem.carriers.emnify.rig import MemoryJournal

ICCID = "8918512000012345678"
CALL = StateChangeCall("POST", "rest/made/up", {"ICCID": "{id}", "verb": "{word}"})
WORDS = {"Suspended": "do-suspend"}


class Platform:
    """Answers a change with what it was told, in turn, the last for ever; `None`: no answer. `moves`: at which."""

    def __init__(self, *answers: int | None, moves: int | None = None) -> None:
        self.answers, self.moves = answers, moves
        self.changes = 0
        self.status = "Bill"
        self.detail_status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/devices/details"):
            return httpx.Response(self.detail_status, json=self._device())
        self.changes += 1
        if self.changes == self.moves:
            self.status = "Suspended"
        answer = self.answers[min(self.changes, len(self.answers)) - 1]
        if answer is None:
            raise httpx.ReadError("gone")
        return httpx.Response(answer, json={"resultCode": 0, "resultMessage": "OK"})

    def _device(self) -> dict[str, object]:
        ids = {"iccId": ICCID, "imsi": "310170123456789", "msisdn": "1"}
        sim = {"result": {"resultCode": 0}, "deviceID": ids, "deviceStatus": self.status}
        return {"resultCode": 0, "resultMessage": "OK", "deviceProfileId": "AER1", "deviceAttributes": [sim]}


CarrierAt = Callable[[Platform], tuple[AerAdmin, MemoryJournal]]


@pytest.fixture
def carrier_at(tmp_path: Path) -> CarrierAt:
    def carrier(platform: Platform) -> tuple[AerAdmin, MemoryJournal]:
        access = Access("http://127.0.0.1:9", "1", "operator@example.com", "the-key-nobody-repeats-91c4", calls=1000)
        contract = Contract(access, tmp_path, change=Described(CALL, WORDS), shows_within_s=0.15)
        journal = MemoryJournal()
        return AerAdmin(contract, journal, transport=Recorder(platform).transport), journal

    return carrier


SUSPEND = Change(2, ICCID, "Active-billed", "Suspended")


@pytest.mark.parametrize("lost", [None, 500, 504])
async def test_a_change_without_an_answer_that_does_not_show_is_sent_again(
    carrier_at: CarrierAt, lost: int | None
) -> None:
    platform = Platform(lost, 200, moves=2)
    carrier, _ = carrier_at(platform)
    result = await carrier.change_sim(SUSPEND)
    assert (result.outcome, platform.changes, result.attempts) == (Outcome.APPLIED, 2, 2)


async def test_a_change_without_an_answer_that_shows_is_not_sent_again(carrier_at: CarrierAt) -> None:
    platform = Platform(None, moves=1)
    assert (await carrier_at(platform)[0].change_sim(SUSPEND)).outcome is Outcome.APPLIED
    assert platform.changes == 1


async def test_it_is_sent_three_times_at_most_and_each_is_in_the_record(carrier_at: CarrierAt) -> None:
    platform = Platform(None)
    carrier, journal = carrier_at(platform)
    result = await carrier.change_sim(SUSPEND)
    assert (result.outcome, platform.changes) == (Outcome.UNKNOWN, 3)
    assert [call.attempt for call in journal.calls if call.purpose == "change"] == [1, 2, 3]


async def test_a_sim_that_went_elsewhere_meanwhile_is_left_alone(carrier_at: CarrierAt) -> None:
    platform = Platform(None)
    platform.status = "Provision"
    result = await carrier_at(platform)[0].change_sim(SUSPEND)
    assert (result.outcome, result.now, platform.changes) == (Outcome.UNKNOWN, "Provisioned", 1)


async def test_an_answered_change_that_does_not_show_is_not_sent_again(carrier_at: CarrierAt) -> None:
    platform = Platform(200)
    assert (await carrier_at(platform)[0].change_sim(SUSPEND)).outcome is Outcome.UNKNOWN
    assert platform.changes == 1


async def test_a_key_that_ends_in_the_middle_stops_it(carrier_at: CarrierAt) -> None:
    platform = Platform(401)
    with pytest.raises(AuthenticationFailed, match="make one in AerPort") as refused:
        await carrier_at(platform)[0].change_sim(SUSPEND)
    assert platform.changes == 1
    assert (refused.value.status, refused.value.attempts) == (401, 1)


async def test_after_a_refused_key_no_call_begins_whichever_was_refused(carrier_at: CarrierAt) -> None:
    platform = Platform(200)
    platform.detail_status = 401
    carrier, journal = carrier_at(platform)
    result = await carrier.change_sim(SUSPEND)
    assert (result.outcome, result.attempts, result.http_status) == (Outcome.ACCEPTED, 1, 200)
    assert "sent, and not seen since" in result.error
    with pytest.raises(AuthenticationFailed, match="make one in AerPort") as refused:
        await carrier.change_sim(SUSPEND)
    assert (refused.value.status, platform.changes, len(journal.calls)) == (None, 1, 2)


async def test_a_key_refused_when_it_is_sent_again_does_not_make_its_first_sending_undone(
    carrier_at: CarrierAt,
) -> None:
    platform = Platform(None, 401)
    result = await carrier_at(platform)[0].change_sim(SUSPEND)
    assert (result.outcome, platform.changes) == (Outcome.UNKNOWN, 2)
    assert "not sent again" in result.error


async def test_changes_that_wait_for_their_turn_are_not_sent_once_the_key_was_refused(carrier_at: CarrierAt) -> None:
    platform = Platform(200, 200, 200, 401, moves=1)
    carrier, journal = carrier_at(platform)
    changes = [replace(SUSPEND, row=row) for row in range(2, 10)]
    ends = await asyncio.gather(*(carrier.change_sim(each) for each in changes), return_exceptions=True)
    sent = [call for call in journal.calls if call.purpose == "change"]
    answered = [each for each in ends if isinstance(each, StepResult)]
    refused = [each for each in ends if isinstance(each, AuthenticationFailed)]
    assert (len(sent), len(answered), len(refused)) == (4, 3, 5)
    assert [each.status for each in refused if each.status] == [401]
    assert {each.http_status for each in answered} == {200}


async def test_of_many_commands_that_begin_together_one_tries_a_key(carrier_at: CarrierAt) -> None:
    platform = Platform(200)
    platform.detail_status = 401
    carriers = [carrier_at(platform) for _ in range(5)]
    asked = pl.DataFrame({"sim_id": [ICCID]})
    ends = await asyncio.gather(*(carrier.read(asked) for carrier, _ in carriers), return_exceptions=True)
    assert all(isinstance(each, AuthenticationFailed) for each in ends)
    assert sum(len(journal.calls) for _, journal in carriers) == 1
    assert sum("refused this key at" in str(each) for each in ends) == 4


async def test_a_key_that_is_accepted_keeps_no_other_command_waiting(carrier_at: CarrierAt) -> None:
    asked = pl.DataFrame({"sim_id": [ICCID]})
    (first, _), (second, _) = (carrier_at(Platform(200)) for _ in range(2))
    assert (await first.read(asked)).height == 1
    lock = lock_file(first.refused.lock_file)
    assert taken(lock), "nobody holds it any more"
    assert (await first.read(asked)).height == 1
    reading = asyncio.create_task(second.read(asked))
    second.halt()
    with pytest.raises(Interrupted):
        await reading
    lock.release()


async def test_a_refused_key_is_not_tried_by_a_later_command_until_another_is_set_or_it_may(
    carrier_at: CarrierAt, tmp_path: Path
) -> None:
    platform = Platform(200)
    platform.detail_status = 401
    for said in ("make one in AerPort", r"refused this key at .* UTC: HTTP 401. Nothing was sent.*retry-token"):
        carrier, journal = carrier_at(platform)
        with pytest.raises(AuthenticationFailed, match=said):
            await carrier.read(pl.DataFrame({"sim_id": [ICCID]}))
    assert journal.calls == []
    kept = remembered(tmp_path)
    assert len(kept) == 1
    assert "the-key-nobody-repeats" not in kept[0]
    assert carrier.refused.forget() == 1
    platform.detail_status = 200
    assert (await carrier_at(platform)[0].read(pl.DataFrame({"sim_id": [ICCID]}))).height == 1
