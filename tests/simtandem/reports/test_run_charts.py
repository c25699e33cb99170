from collections.abc import Callable, Mapping, Sequence
from typing import cast

import polars as pl
import pytest

from simtandem.reports.run_charts import FUNNEL_WIDTH, TIMELINE_HEIGHT, TIMELINE_WIDTH, funnel, purposes, timeline
from simtandem.reports.run_document import Document

Make = Callable[[Sequence[Mapping[str, object]]], pl.DataFrame]
MakeDocument = Callable[[pl.DataFrame], dict[str, object]]


def test_every_stage_of_the_funnel_is_the_one_before_less_what_it_lost(
    make_results: Make, make_document: MakeDocument
) -> None:
    verdicts = ["in_sync", "in_sync", "failed", "unknown", "changed_by_others", "skipped", "refused", "invalid"]
    rows: list[dict[str, object]] = [{"verdict": verdict} for verdict in verdicts]
    rows[-1]["desired"] = None

    stages = funnel(cast("Document", make_document(make_results(rows))))

    assert [(stage.count, stage.lost) for stage in stages] == [(8, 0), (7, 1), (6, 1), (5, 1), (2, 3)]
    assert [stage.width for stage in stages] == [FUNNEL_WIDTH * stage.count / 8 for stage in stages]


@pytest.mark.parametrize(("half_done", "why"), [(0, "not sent"), (1, "not sent, 1 of them partly changed")])
def test_rows_of_which_one_half_was_sent_are_counted_apart(
    make_results: Make, make_document: MakeDocument, half_done: int, why: str
) -> None:
    told = make_document(make_results([{"verdict": "skipped"}, {"verdict": "skipped"}]))
    told["not_sent"] = {"half_done": half_done, "not_begun": 2 - half_done}

    assert funnel(cast("Document", told))[3].why == why


def test_the_funnel_of_no_rows_is_empty_bars(make_results: Make, make_document: MakeDocument) -> None:
    stages = funnel(cast("Document", make_document(make_results([]))))

    assert {(stage.count, stage.width) for stage in stages} == {(0, 0.0)}


def test_no_calls_make_no_timeline(make_calls: Make) -> None:
    assert timeline(make_calls([])) is None


def test_one_call_makes_one_full_bar(make_calls: Make) -> None:
    chart = timeline(make_calls([{}]))

    assert chart is not None
    assert [(bar.total, bar.x, bar.tops) for bar in chart.bars] == [(1, 0.0, (0.0, 0.0, 0.0))]


def test_calls_are_told_apart_by_how_they_ended(make_calls: Make) -> None:
    calls: list[dict[str, object]] = [
        {"status": 204},
        {"status": 429},
        {"status": 503},
        {"status": None, "fault": "timeout"},
        {"status": None},
        {"status": 200, "fault": "the body was cut short"},
    ]

    chart = timeline(make_calls(calls))

    assert chart is not None
    assert [(bar.answered, bar.throttled, bar.faulty) for bar in chart.bars] == [(1, 1, 4)]
    assert (chart.peak, chart.throttled, chart.faulty) == (6, 1, 4)


@pytest.mark.parametrize("span", [0.3, 7, 59, 60, 61, 3600, 90_000, 10_000_000])
def test_no_call_is_lost_and_every_bar_is_inside(make_calls: Make, span: float) -> None:
    calls = make_calls([{"after": span * n / 200} for n in range(201)])

    chart = timeline(calls)

    assert chart is not None
    assert sum(bar.total for bar in chart.bars) == 201
    assert len(chart.bars) <= 60
    assert all(bar.x >= 0 and bar.x + bar.width <= TIMELINE_WIDTH + 0.1 for bar in chart.bars)
    assert all(TIMELINE_HEIGHT >= bar.tops[0] >= bar.tops[1] >= bar.tops[2] >= 0 for bar in chart.bars)
    assert chart.bars[0].start == chart.start
    assert chart.bars[-1].start <= chart.end


def test_a_pause_is_a_gap(make_calls: Make) -> None:
    chart = timeline(make_calls([{"after": 0}, {"after": 30}]))

    assert chart is not None
    assert chart.step == 1
    assert [round(bar.x / (TIMELINE_WIDTH / 31)) for bar in chart.bars] == [0, 30]


def test_calls_are_summed_up_by_purpose(make_calls: Make) -> None:
    calls: list[dict[str, object]] = [
        {"seconds": 0.1},
        {"seconds": 0.3, "status": 429},
        {"seconds": None, "status": None, "attempt": 2},
        {"purpose": "list", "seconds": None, "status": 200},
    ]

    change, listing = purposes(make_calls(calls))

    assert (change["purpose"], change["calls"], change["retried"], change["throttled"]) == ("change", 3, 1, 1)
    assert (change["faulty"], change["median"]) == (1, pytest.approx(0.2))
    assert (listing["purpose"], listing["calls"], listing["faulty"], listing["median"]) == ("list", 1, 0, None)
