"""The limits of each path, and what the headers of an answer do to them."""

import httpx
import pytest

from simtandem.carriers.aeris.iot_accelerator.rates import Rate, Rates

SUBMIT = "/iot/api/sica/subscriptions/requests/state-changes"
POLL = "/dcpapi/rest/subscriptionManagement/v1/subscriptions/requests/REQ1"


def stated(second: object, minute: object) -> httpx.Headers:
    return httpx.Headers({"X-RateLimit-Limit-Second": str(second), "X-RateLimit-Limit-Minute": str(minute)})


def counts(rates: Rates, path: str) -> list[int]:
    return [window.calls for window in rates.windows(path)]


def test_a_lower_limit_that_an_answer_states_holds_for_its_path_alone() -> None:
    rates = Rates().lowered(SUBMIT, stated(3, 12))
    assert counts(rates, SUBMIT) == [3, 12]
    assert rates == Rates(requests=Rate(3, 12))
    assert counts(rates.lowered(SUBMIT, stated(10, 100)), SUBMIT) == [3, 12], "it does not rise again"


@pytest.mark.parametrize(
    "headers",
    [
        httpx.Headers(),
        stated(10, 100),
        stated(10_000, 10_000),
        stated(0, 0),
        stated(-1, "none"),
        stated("1.5", "9" * 400),
        stated("", " "),
    ],
)
def test_other_headers_change_nothing(headers: httpx.Headers) -> None:
    assert Rates().lowered(SUBMIT, headers) == Rates()


def left(minute: object, limit: object = "") -> httpx.Headers:
    stated = {"X-RateLimit-Remaining-Minute": str(minute), "X-RateLimit-Limit-Minute": str(limit)}
    return httpx.Headers({**stated, "X-RateLimit-Remaining-Second": "0"})


@pytest.mark.parametrize(
    ("headers", "counted"),
    [
        (left(40), 60),
        (left(0), 100),
        (left(40, 100), 60),
        (left(15, 20), 5),  # a contract of less
        (left(60, 150), 40),  # a contract of more: others have the rest
    ],
)
def test_what_is_left_says_how_many_calls_are_counted(headers: httpx.Headers, counted: int) -> None:
    assert Rates().counted(SUBMIT, headers) == {"requests-minute": counted}


@pytest.mark.parametrize(
    "headers", [httpx.Headers(), left(100), left(101), left(-1), left("none"), left("1.5"), left("9" * 400), left(" ")]
)
def test_what_is_no_such_number_says_nothing(headers: httpx.Headers) -> None:
    assert Rates().counted(SUBMIT, headers) == {}


def test_answers_that_are_not_published_to_say_what_is_left_say_nothing() -> None:
    assert Rates().counted(POLL, left(0)) == {}
