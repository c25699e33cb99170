from datetime import UTC, datetime

import polars as pl
import pytest

from simtandem.inbox.choosing import DUE, contradictions, left_out

SAT, MON = datetime(2026, 12, 5, tzinfo=UTC), datetime(2026, 12, 7, tzinfo=UTC)


def due(*rows: tuple[str, datetime, int, str | None, str | None, str]) -> pl.DataFrame:
    """Schedule (and file), moment, row, sim_id, iccid, desired."""
    made = [(name, f"{name}.csv", at, row, row, sim, None, iccid, wish) for name, at, row, sim, iccid, wish in rows]
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
