"""A plan's waves hold each of its changes once, in the order of the file."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from schemas.statuses import Action, Verdict
from schemas.tables import Plan, Results, empty
from schemas.waves import amount, sizes
from simtandem.domain.waves import WaveResult, cut, numbers, result_of

ACTIONS = [Action.CHANGE, Action.UNCHANGED, Action.REFUSED, Action.REPEAT]


def plan_of(actions: list[Action]) -> pl.DataFrame:
    """Rows 2 on with these actions; a repeat is of row 2."""
    rows = [
        {"row": row, "action": action.value, "same_as": 2 if action is Action.REPEAT else None}
        for row, action in enumerate(actions, start=2)
    ]
    return pl.concat([empty(Plan), pl.DataFrame(rows, schema_overrides={"same_as": pl.Int64})], how="diagonal")


@given(
    actions=st.lists(st.sampled_from(ACTIONS), max_size=30),
    text=st.lists(st.sampled_from(["1", "3", "10%", "50%", "100"]), max_size=4).map(
        lambda some: ",".join([*some, "rest"])
    ),
)
def test_every_change_is_in_one_wave_and_nothing_else_is(actions: list[Action], text: str) -> None:
    plan = plan_of(actions)
    waves = cut(plan, sizes(text))
    rows = [row for wave in waves for row in wave.rows["row"]]
    assert rows == plan.filter(pl.col("action") == Action.CHANGE)["row"].to_list()
    assert all(wave.rows.height for wave in waves)
    assert [wave.number for wave in waves] == list(range(1, len(waves) + 1))
    assert [wave.last for wave in waves] == [False] * (len(waves) - 1) + [True] * bool(waves)


def test_a_repeat_is_in_the_wave_of_the_row_it_repeats() -> None:
    found = numbers(plan_of([Action.CHANGE, Action.UNCHANGED, Action.CHANGE, Action.REPEAT]), sizes("1,rest"))
    assert found.rows() == [(2, 1), (4, 2), (5, 1)]


def test_a_wave_has_one_device_at_least() -> None:
    assert [wave.rows.height for wave in cut(plan_of([Action.CHANGE] * 5), sizes("1%,rest"))] == [1, 4]


def test_whatever_is_not_in_sync_counts_as_a_failure() -> None:
    [wave] = cut(plan_of([Action.CHANGE] * 4), ())
    words = [Verdict.IN_SYNC, Verdict.SKIPPED, Verdict.UNKNOWN, Verdict.CHANGED_BY_OTHERS]
    rows = pl.DataFrame({"row": [2, 3, 4, 5], "verdict": [word.value for word in words]})
    found = result_of(wave, pl.concat([empty(Results), rows], how="diagonal"), amount("50%"))
    assert (found.failures, found.limit, found.passed) == (3, 2, False)


def test_a_failure_at_the_limit_passes_and_one_more_does_not() -> None:
    found = [WaveResult(1, 2, 50, {}, failures, 1) for failures in (0, 1, 2)]
    assert [each.passed for each in found] == [True, True, False]
    assert str(found[2]) == "wave 1 of 2: 48 of 50 devices are in sync, 2 are not (limit 1)"
