from datetime import UTC, datetime, timedelta, timezone

import pytest

from simtandem.text.formats import amount, day, duration, named_rows, of, spoken, stamp


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (12.46, "12.5 s"),
        (59.94, "59.9 s"),
        (59.97, "1 min 00 s"),
        (60, "1 min 00 s"),
        (245.4, "4 min 05 s"),
        (3599.6, "1 h 00 min"),
        (12_000, "3 h 20 min"),
    ],
)
def test_a_duration_is_as_precise_as_it_is_long(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 rows"), (1, "1 row"), (1180, "1,180 rows")])
def test_a_count_agrees_with_its_noun(count: int, text: str) -> None:
    assert of(count, "row") == text


def test_a_word_of_the_domain_is_spoken_without_its_underscores() -> None:
    assert spoken("changed_by_others") == "changed by others"


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([17], "Row 17."),
        ([17, 1203], "Rows 17 and 1203."),
        ([2, 3, 4], "Rows 2, 3 and 4."),
        (list(range(2, 10)), "Rows 2, 3, 4, 5, 6, 7, 8 and 9."),
        (list(range(2, 1200)), "Rows 2, 3, 4, 5, 6, 7, 8, 9 and 1,190 more."),
    ],
)
def test_rows_are_named_and_many_are_counted(rows: list[int], text: str) -> None:
    assert named_rows(rows) == text


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 3, 1, 9, 15, 2, tzinfo=UTC),
        datetime(2026, 3, 1, 10, 15, 2, tzinfo=timezone(timedelta(hours=1))),
        datetime(2026, 3, 1, 9, 15, 2),  # noqa: DTZ001 - what a table without zones gives
    ],
)
def test_times_are_shown_in_utc(moment: datetime) -> None:
    assert stamp(moment) == "2026-03-01 09:15:02"


def test_a_day_is_the_one_in_utc() -> None:
    assert day(datetime.fromisoformat("2026-03-01T00:30:00+02:00")) == "2026-02-28"


@pytest.mark.parametrize(("value", "text"), [(1180, "1,180"), (1180.0, "1,180"), (1180.5, "1,180.50"), (0, "0")])
def test_a_sum_has_cents_only_where_there_are_some(value: float, text: str) -> None:
    assert amount(value) == text
