from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from simtandem.inbox.conflicts import DIRECT, DUE, Why, contradictions, left_out, unclear

FRI, SAT, SUN, MON = (datetime(2026, 12, day, tzinfo=UTC) for day in (4, 5, 6, 7))


def due(*rows: tuple[str, datetime, int, str | None, str | None, str]) -> pl.DataFrame:
    """Schedule (and file), moment, row, sim_id, iccid, desired."""
    made = [
        (name, f"{name}.csv", at, FRI, row, row, sim, None, iccid, wish) for name, at, row, sim, iccid, wish in rows
    ]
    return pl.DataFrame(made, schema=DUE, orient="row")


def out(table: pl.DataFrame) -> list[tuple[str, int]]:
    return sorted(left_out(table).select("schedule_id", "row").iter_rows())


def test_nothing_is_left_out_where_every_device_is_named_once() -> None:
    assert out(due(("a", SAT, 2, "1", None, "activated"), ("b", MON, 2, "2", None, "suspended"))) == []


def test_a_row_without_an_id_of_some_kind_has_nothing_in_common_with_others_without_it() -> None:
    assert out(due(("a", SAT, 2, None, "11", "activated"), ("b", MON, 2, None, "12", "suspended"))) == []
    assert out(due(("a", SAT, 2, None, "11", "activated"), ("b", SAT, 2, None, "12", "suspended"))) == []


def test_of_one_device_only_what_is_due_last_is_carried_out() -> None:
    table = due(("off", SAT, 2, "1", None, "suspended"), ("on", MON, 7, "1", None, "activated"))
    assert out(table) == [("off", 2)]
    assert left_out(table)["reason"].to_list() == ["overtaken by on.csv row 7, which was due later"]


@pytest.mark.parametrize("order", [1, -1])
def test_contradictions_of_one_moment_are_both_left_out_whichever_came_first(order: int) -> None:
    rows = [("a", SAT, 2, "1", None, "activated"), ("b", SAT, 3, "1", None, "suspended")][::order]
    table = due(*rows)
    assert out(table) == [("a", 2), ("b", 3)]
    reasons = dict(left_out(table).select("schedule_id", "reason").iter_rows())
    assert reasons["a"] == (
        "asks for activated, but b.csv row 3 asks for another status of the same device at the same moment"
    )
    assert "a.csv row 2" in reasons["b"]
    assert contradictions(table).height == 2


def test_agreement_at_one_moment_is_no_contradiction() -> None:
    table = due(("a", SAT, 2, "1", None, "activated"), ("b", SAT, 3, "1", None, "activated"))
    assert out(table) == []
    assert contradictions(table).is_empty()


def test_different_moments_are_no_contradiction() -> None:
    assert contradictions(due(("a", SAT, 2, "1", None, "activated"), ("b", MON, 3, "1", None, "suspended"))).is_empty()


def test_one_id_in_common_is_enough() -> None:
    table = due(("a", SAT, 2, "1", "11", "activated"), ("b", MON, 3, None, "11", "suspended"))
    assert out(table) == [("a", 2)]


def test_a_row_is_told_of_once_however_many_ids_it_shares() -> None:
    table = due(("a", SAT, 2, "1", "11", "activated"), ("b", MON, 3, "1", "11", "suspended"))
    assert out(table) == [("a", 2)]


def test_a_repeat_shares_the_fate_of_the_row_it_repeats() -> None:
    table = due(
        ("a", SAT, 2, "1", "11", "activated"),
        ("a", SAT, 3, None, "11", "activated"),
        ("b", MON, 4, "1", None, "suspended"),
    ).with_columns(device=pl.when(row=3).then(2).otherwise("device"))
    assert out(table) == [("a", 2), ("a", 3)]


def runs(*asked: tuple[datetime, str | None, str | None, str | None]) -> pl.DataFrame:
    """When, sim_id, iccid, desired."""
    made = [(f"run-{n}", at, sim, None, iccid, wish) for n, (at, sim, iccid, wish) in enumerate(asked)]
    return pl.DataFrame(made, schema=DIRECT, orient="row")


def test_what_gives_way_to_a_run_overtakes_and_contradicts_nothing() -> None:
    table = due(("a", SAT, 2, "1", None, "suspended"), ("b", MON, 3, "1", None, "activated"))
    newer = table.with_columns(put_in=pl.when(schedule_id=pl.lit("a")).then(MON).otherwise("put_in"))
    after = runs((MON + timedelta(hours=-1), "1", None, "factory_test"))
    assert left_out(table, after)["why"].to_list() == [Why.NEWER_RUN]  # b was due only after the run
    after = runs((MON + timedelta(hours=1), "1", None, "factory_test"))
    found = left_out(newer.with_columns(put_in=pl.col("put_in") + timedelta(hours=2)), after)
    assert found.select("schedule_id", "why").rows() == [("b", Why.NEWER_RUN)]  # a was put in after the run


def test_what_is_overdue_overtakes_and_contradicts_nothing() -> None:
    table = due(
        ("a", SAT, 2, "1", None, "suspended"),
        ("b", SAT, 3, "1", None, "activated"),
        ("c", MON, 4, "1", None, "suspended"),
    )
    found = left_out(table, bound=SUN)
    assert found.select("schedule_id", "why").rows() == [("a", Why.OVERDUE), ("b", Why.OVERDUE)]


def test_the_newest_run_by_whatever_id_is_the_one_that_counts() -> None:
    table = due(("a", SAT, 2, "1", "11", "suspended"))
    assert left_out(table, runs((SUN, "1", None, "suspended"), (MON, None, "11", "activated"))).height == 1
    assert left_out(table, runs((MON, "1", None, "suspended"), (SUN, None, "11", "activated"))).height == 0


def test_only_rows_by_different_ids_that_want_different_things_are_unclear() -> None:
    by_sim, by_iccid = ("a", SAT, 2, "1", None, "suspended"), ("b", SAT, 3, None, "11", "activated")
    both = ("c", SAT, 4, "2", "12", "activated")
    assert unclear(due(by_sim, by_iccid, both))["row"].to_list() == [2, 3]
    assert unclear(due(by_sim, both)).is_empty()
    assert unclear(due(by_iccid, both, ("d", SAT, 5, "5", None, "activated"))).is_empty()
