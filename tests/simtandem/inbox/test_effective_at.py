from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from simtandem.inbox.effective_at import parse, reader

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-12-05", "2026-12-04T23:00:00"),
        ("2026-12-05 06:00", "2026-12-05T05:00:00"),
        ("2026-12-05T06:00:30", "2026-12-05T05:00:30"),
        ("2026-07-05 06:00", "2026-07-05T04:00:00"),
        ("2026-12-05T06:00Z", "2026-12-05T06:00:00"),
        ("2026-12-05T06:00:00z", "2026-12-05T06:00:00"),
        ("2026-12-05 06:00 -05:00", "2026-12-05T11:00:00"),
        ("2026-12-05T06:00+0530", "2026-12-05T00:30:00"),
    ],
)
def test_a_moment_without_an_offset_is_a_wall_clocks_in_the_configured_zone(text: str, utc: str) -> None:
    assert parse(text, BERLIN) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["05.12.2026", "12/05/2026 06:00", "2026-12-05T06", "46361", "46361.25", "tomorrow", "2026-W49-6", "20261205"],
)
def test_what_is_no_iso_date_is_not_guessed_at(text: str) -> None:
    with pytest.raises(ValueError, match="is not an ISO date"):
        parse(text, BERLIN)


@pytest.mark.parametrize("text", ["2026-02-30", "2026-12-05 25:00", "2026-13-01T06:00Z"])
def test_a_date_that_is_in_no_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not in the calendar"):
        parse(text, BERLIN)


def test_an_hour_that_clocks_skip_is_refused_unless_an_offset_says_what_is_meant() -> None:
    with pytest.raises(ValueError, match="does not exist in Europe/Berlin"):
        parse("2026-03-29 02:30", BERLIN)
    assert parse("2026-03-29 02:30+01:00", BERLIN) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert parse("2026-03-29 03:00", BERLIN) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_an_hour_that_clocks_repeat_is_refused_and_both_offsets_are_named() -> None:
    with pytest.raises(ValueError, match=r"exists twice in Europe/Berlin.*\+02:00 \(the first\) or \+01:00"):
        parse("2026-10-25 02:30", BERLIN)
    first, second = parse("2026-10-25 02:30+02:00", BERLIN), parse("2026-10-25 02:30+01:00", BERLIN)
    assert second - first == timedelta(hours=1)


@pytest.mark.parametrize(
    ("date", "zone", "utc"),
    [
        ("2026-03-08", "America/Havana", "2026-03-08T05:00"),  # 00:00 is skipped: the day begins at 01:00
        ("2026-11-01", "America/Havana", "2026-11-01T04:00"),  # 00:00 comes twice: the day begins with the first
    ],
)
def test_a_date_is_the_beginning_of_that_day_even_where_midnight_is_skipped_or_repeated(
    date: str, zone: str, utc: str
) -> None:
    assert parse(date, ZoneInfo(zone)) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_what_is_a_week_late_or_two_years_ahead_is_taken_for_a_mistake() -> None:
    read = reader(BERLIN, datetime(2026, 12, 10, tzinfo=UTC))
    assert read("2026-12-04")
    with pytest.raises(ValueError, match="more than 7 days ago"):
        read("2026-12-02")
    with pytest.raises(ValueError, match="check the year"):
        read("2062-12-05")
