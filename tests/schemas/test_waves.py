"""How waves are written, and what is no wave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.waves import amount, seconds, sizes


@pytest.mark.parametrize(
    ("text", "read"),
    [("", []), ("rest", []), ("50,500,rest", ["50", "500"]), (" 1% , 2.5% ,REST", ["1%", "2.5%"]), ("1,rest", ["1"])],
)
def test_waves_end_with_the_rest(text: str, read: list[str]) -> None:
    assert [str(each) for each in sizes(text)] == read


@pytest.mark.parametrize(
    "text", ["50", "rest,50", "0,rest", "50,,rest", "-1,rest", "1e3,rest", "101%,rest", "1.5,rest"]
)
def test_what_is_no_wave_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"wave|write it as"):
        sizes(text)


def test_more_waves_than_anyone_reviews_are_refused() -> None:
    assert len(sizes("1," * 99 + "rest")) == 99
    with pytest.raises(ValueError, match="at most 100 waves"):
        sizes("1," * 100 + "rest")


@given(number=st.integers(0, 100), devices=st.integers(0, 10**9))
def test_a_percentage_is_never_more_than_the_devices(number: int, devices: int) -> None:
    assert 0 <= amount(f"{number}%").of(devices) <= devices
    assert amount(str(number)).of(devices) == number


@pytest.mark.parametrize(("text", "read"), [("90s", 90), ("10m", 600), (" 2H ", 7200), ("7 h", 25_200)])
def test_times(text: str, read: int) -> None:
    assert seconds(text) == read


@pytest.mark.parametrize("text", ["", "0s", "10", "1d", "-5m", "169h", "1.5h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|wait"):
        seconds(text)
