"""The published limits, their headers, and a 429 that does not say how long to wait."""

import pytest

from simtandem.emulator.iot_accelerator.server import IotAcceleratorEmulator
from tests.simtandem.emulator.hand_clock import START, HandClock
from tests.simtandem.emulator.iot_accelerator.asking import Asking


def test_every_answer_says_what_is_left(asking: Asking) -> None:
    answers = [asking.listed() for _ in range(2)]
    left = [
        {name.lower(): value for name, value in answer.headers.items() if "ratelimit" in name.lower()}
        for answer in answers
    ]
    assert left[1] == {
        "x-ratelimit-limit-second": "10",
        "x-ratelimit-limit-minute": "150",
        "x-ratelimit-remaining-second": "8",
        "x-ratelimit-remaining-minute": "148",
    }
    assert left[0]["x-ratelimit-remaining-second"] == "9"


def test_over_the_second_is_a_429_without_retry_after(asking: Asking, hand_clock: HandClock) -> None:
    answers = [asking.listed() for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    refused = answers[-1]
    assert "Retry-After" not in refused.headers
    assert refused.headers["X-RateLimit-Remaining-Second"] == "0"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["detail"] == "API rate limit exceeded"
    hand_clock.advance(1)
    assert asking.listed().status_code == 200


def test_over_the_minute_is_refused_however_slowly_one_asks(asking: Asking, hand_clock: HandClock) -> None:
    statuses = []
    for _ in range(101):
        statuses.append(asking.change(["1"], "PAUSE").status_code)
        hand_clock.advance(0.2)
    assert statuses == [201] * 100 + [429]


@pytest.mark.parametrize(("window", "status"), [("sliding", 429), ("fixed", 200)])
def test_whether_a_second_is_any_or_the_clocks_is_a_setting(
    platform: IotAcceleratorEmulator, asking: Asking, hand_clock: HandClock, window: str, status: int
) -> None:
    platform.configure(rate_window=window)
    hand_clock.now = START + 0.9
    for _ in range(10):
        asking.listed()
    hand_clock.now = START + 1.1
    assert asking.listed().status_code == status


def test_limits_are_apart_for_each_kind_of_path(asking: Asking) -> None:
    for _ in range(10):
        asking.listed()
    assert asking.listed().status_code == 429
    assert asking.change(["1"], "PAUSE").status_code == 201
    assert asking.find().status_code == 200


def test_logging_in_too_often_is_refused(stranger: Asking) -> None:
    assert [stranger.bearer().status_code for _ in range(6)] == [200] * 5 + [429]


def test_polling_has_no_published_limit_and_can_be_given_one(platform: IotAcceleratorEmulator, asking: Asking) -> None:
    assert {asking.find().status_code for _ in range(50)} == {200}
    assert "X-RateLimit-Limit-Second" not in asking.find().headers
    platform.configure(dcp_per_second=5)
    assert asking.find().status_code == 200
    assert {asking.find().status_code for _ in range(5)} == {200, 429}


def test_counts_are_kept_for_each_limit(
    platform: IotAcceleratorEmulator, asking: Asking, hand_clock: HandClock
) -> None:
    for _ in range(3):
        asking.listed()
        hand_clock.advance(0.6)
    asking.change(["1"], "PAUSE")
    stats = platform.stats()
    assert stats["most_calls_by_limit"]["details"] == {"second": 2, "minute": 3}
    assert stats["most_calls_by_limit"]["requests"] == {"second": 1, "minute": 1}
    assert stats["throttled"] == 0
