from datetime import UTC, datetime, timedelta

import polars as pl

from schemas.tables import Findings, empty
from simtandem.reports.history_charts import HEIGHT, MOST_BARS, WIDTH, Age, ages, history

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_bars_stand_on_one_line_and_reach_as_high_as_their_values() -> None:
    chart = history("Split pairs", [(NOW, 10), (NOW + timedelta(days=1), 5), (NOW + timedelta(days=2), 0)])

    assert [(bar.height, bar.y + bar.height) for bar in chart.bars] == [(HEIGHT, HEIGHT), (36.0, HEIGHT), (0.0, HEIGHT)]
    assert (chart.first, chart.last) == (NOW, NOW + timedelta(days=2))
    assert (chart.figure, chart.peak, chart.least) == (0, 10, 0)


def test_values_that_add_up_show_their_sum() -> None:
    assert history("Calls", [(NOW, 2), (NOW, 3)], total=True).figure == 5


def test_zeros_alone_are_a_flat_line() -> None:
    assert [bar.height for bar in history("Split pairs", [(NOW, 0), (NOW, 0)]).bars] == [0.0, 0.0]


def test_of_many_values_the_newest_are_drawn_and_fit() -> None:
    chart = history("Calls", [(NOW + timedelta(days=n), n) for n in range(100)], total=True)

    assert [bar.value for bar in chart.bars] == list(range(40, 100))
    assert len(chart.bars) == MOST_BARS
    assert chart.bars[-1].x + chart.bars[-1].width <= WIDTH
    assert chart.figure == sum(range(100))


def aged(*days: float | None, charged: bool = False) -> pl.DataFrame:
    rows = [
        {
            "finding": "drifted",
            "now": "",
            "expected": "",
            "charged": charged,
            "since": None if age is None else NOW - timedelta(days=age),
            "known_from": "",
            "remedy": "",
            "explanation": "",
        }
        for age in days
    ]
    return pl.DataFrame(rows, schema=empty(Findings).schema)


def test_findings_are_counted_by_their_age() -> None:
    found = ages(pl.concat([aged(0.5, 1, 6.9, 8), aged(29.9, 30, 400, charged=True)]), NOW)

    assert found == [
        Age("less than a day", 1, 0, 0.5),
        Age("1 to 7 days", 2, 0, 1.0),
        Age("8 to 30 days", 2, 1, 1.0),
        Age("more than 30 days", 2, 2, 1.0),
    ]


def test_an_age_that_nobody_knows_is_named_where_there_is_one() -> None:
    assert ages(aged(None), NOW)[-1] == Age("not known", 1, 0, 1.0)
    assert [age.label for age in ages(aged(), NOW)][-1] == "more than 30 days"
