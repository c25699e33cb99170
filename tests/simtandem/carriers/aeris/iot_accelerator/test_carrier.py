"""Changes by request: asked for once, found again where their answer was lost, never asked for a second time."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import pytest

from schemas.statuses import Outcome
from simtandem.carriers.aeris.iot_accelerator.carrier import Company, IotAccelerator
from simtandem.carriers.aeris.iot_accelerator.logins import Credentials
from simtandem.carriers.aeris.iot_accelerator.rates import Rate, Rates
from simtandem.carriers.aeris.iot_accelerator.response_mapping import Subscription
from simtandem.carriers.protocol import Change, StepResult
from simtandem.errors import AuthenticationFailed, CarrierUnavailable, Interrupted
from tests.simtandem.carriers.aeris.rig import Recorder, remembered
from tests.simtandem.carriers.emnify.rig import MemoryJournal

ICCIDS = ["99987100783000000001", "99987100783000000002"]
FAST = Rate(100_000, 1_000_000)
ID = "subscriptionRequestId"


class Platform:
    """Takes a change without answering, and shows its request after so many looks, if ever."""

    def __init__(self, *, found_after: int | None, moves: bool = True, answers: bool = False) -> None:
        self.found_after, self.moves, self.answers = found_after, moves, answers
        self.submits = self.finds = self.polls = self.empty_polls = 0
        self.state = "ACTIVE"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/token"):
            return httpx.Response(200, json={"access_token": "bearer-nobody-repeats", "expires_in": 300})
        if path.endswith("/login"):
            return httpx.Response(200, json={"token": "access-nobody-repeats", "expirationTime": 1_800_000})
        if path.endswith("/state-changes"):
            self.submits += 1
            if not self.answers:
                raise httpx.ReadError("gone")
            return httpx.Response(201, json={"subscription_request_id": "REQ1"})
        if path.endswith("/find"):
            self.finds += 1
            there = self.found_after is not None and self.finds > self.found_after
            return httpx.Response(200, json=[{ID: "REQ1"}] if there else [])
        if path.endswith("/requests/REQ1"):
            return httpx.Response(200, json=self._polled())
        asked = json.loads(request.content)["identifierValues"]
        return httpx.Response(200, json={"subscriptions": [_subscription(each, self.state) for each in asked]})

    def _polled(self) -> dict[str, object]:
        self.polls += 1
        if self.polls <= self.empty_polls:
            return {ID: "REQ1", "subscriptionRequestState": "PENDING", "subscriptionRequestResources": [], "size": 0}
        self.state = "PAUSE" if self.moves else self.state
        return _request()


def _request() -> dict[str, object]:
    lines = [
        {"resourceState": "COMPLETED", "resourceProperties": [{"type": "ICCID", "value": each}]} for each in ICCIDS
    ]
    return {ID: "REQ1", "subscriptionRequestState": "COMPLETED", "subscriptionRequestResources": lines, "size": 2}


def _subscription(iccid: str, state: str) -> dict[str, str]:
    return {"iccid": iccid, "imsi": iccid[5:], "msisdn": "", "state": state}


CarrierAt = Callable[..., IotAccelerator]


@pytest.fixture
def carrier_at(tmp_path: Path) -> CarrierAt:
    def carrier(platform: Platform, lost_within_s: float = 5.0) -> IotAccelerator:
        credentials = Credentials("http://127.0.0.1:9", "operator@example.com", "a-password-nobody-repeats-7")
        company = Company(credentials, "", tmp_path, poll_s=0.01, shows_within_s=0.2, lost_within_s=lost_within_s)
        rates = Rates(FAST, FAST, FAST, FAST, FAST)
        return IotAccelerator(company, MemoryJournal(), rates=rates, transport=Recorder(platform).transport)

    return carrier


def pauses() -> list[Change]:
    return [Change(row, iccid, "ACTIVE", "PAUSE") for row, iccid in enumerate(ICCIDS, 2)]


async def nobody(_results: Sequence[StepResult]) -> None:
    """Nothing to write down."""


async def test_a_request_that_shows_late_is_found_and_not_asked_for_again(carrier_at: CarrierAt) -> None:
    platform = Platform(found_after=4)
    results = await carrier_at(platform).change_sims(pauses(), accepted=nobody)
    assert ({each.outcome for each in results}, platform.submits) == ({Outcome.APPLIED}, 1)


async def test_a_lost_request_that_does_not_list_its_sims_yet_is_looked_at_again(carrier_at: CarrierAt) -> None:
    platform = Platform(found_after=0)
    platform.empty_polls = 2
    results = await carrier_at(platform).change_sims(pauses(), accepted=nobody)
    assert ({each.outcome for each in results}, platform.submits) == ({Outcome.APPLIED}, 1)
    assert {each.error for each in results} == {""}
    assert platform.polls > platform.empty_polls, "found by its SIMs, not by what they show"


async def test_a_listed_subscription_without_iccid_is_counted_and_named_by_nothing(carrier_at: CarrierAt) -> None:
    carrier = carrier_at(Platform(found_after=None))
    subscriptions = [Subscription(iccid, "", "", "ACTIVE") for iccid in ("", ICCIDS[0])]
    listing = carrier._fleet(subscriptions, whole=True)
    assert (listing.sims, listing.activated) == (2, 2)
    assert listing.inventory["sim_id"].to_list() == [ICCIDS[0]]


async def test_where_no_request_is_found_the_sims_say_what_became_of_it(carrier_at: CarrierAt) -> None:
    platform = Platform(found_after=None)
    platform.state = "PAUSE"
    results = await carrier_at(platform).change_sims(pauses(), accepted=nobody)
    assert ({each.outcome for each in results}, platform.submits) == ({Outcome.APPLIED}, 1)


async def test_what_shows_nowhere_by_the_deadline_is_unknown_and_nothing_is_sent_twice(carrier_at: CarrierAt) -> None:
    platform = Platform(found_after=None)
    results = await carrier_at(platform, lost_within_s=0.05).change_sims(pauses(), accepted=nobody)
    assert ({each.outcome for each in results}, platform.submits) == ({Outcome.UNKNOWN}, 1)
    assert "was not answered, was not found" in results[0].error


async def test_another_change_of_the_same_sims_waits_for_the_lost_request(carrier_at: CarrierAt) -> None:
    platform = Platform(found_after=None)
    carrier = carrier_at(platform, lost_within_s=0.3)
    carrier._desk.unanswered[frozenset(ICCIDS)] = carrier._desk.now()
    with pytest.raises(CarrierUnavailable, match="may be found yet"):
        await carrier.change_sims(pauses()[:1], accepted=nobody)
    assert platform.submits == 0


async def test_a_refused_password_is_tried_once_by_all_commands(tmp_path: Path) -> None:
    def turned_away(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"title": "no"})

    recorder = Recorder(turned_away)

    def carrier(password: str) -> IotAccelerator:
        company = Company(Credentials("http://127.0.0.1:9", "operator@example.com", password), "1", tmp_path)
        return IotAccelerator(company, MemoryJournal(), transport=recorder.transport)

    for said in ("refuses the user name or the password", r"refused this user name and password at .*retry-token"):
        with pytest.raises(AuthenticationFailed, match=said):
            await carrier("a-password-nobody-repeats-7").list_fleet()
    assert len(recorder.requests) == 1
    with pytest.raises(AuthenticationFailed):
        await carrier("another-password-nobody-repeats").list_fleet()
    assert len(recorder.requests) == 2
    assert [each for each in remembered(tmp_path) if "nobody-repeats" in each] == []


async def test_a_request_that_was_taken_is_followed_to_its_end_while_nothing_else_is_sent(
    carrier_at: CarrierAt,
) -> None:
    platform = Platform(found_after=None, answers=True)
    carrier = carrier_at(platform)

    async def taken(_results: Sequence[StepResult]) -> None:
        carrier.hold()

    first, second = pauses()
    [ended] = await carrier.change_sims([first], accepted=taken)
    assert ended.outcome is Outcome.APPLIED
    with pytest.raises(Interrupted):
        await carrier.change_sims([second], accepted=taken)
    assert platform.submits == 1
    carrier.resume()
    [ended] = await carrier.change_sims([second], accepted=taken)
    assert ended.outcome is Outcome.APPLIED
    await carrier.aclose()
