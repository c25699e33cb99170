"""A selection that is judged where its fields are shown."""

from datetime import UTC, datetime

import polars as pl
import pytest

from simtandem.errors import InputError
from simtandem.selection.expressions import MOMENT
from tests.simtandem.selection.listed import selecting


def test_what_has_none_of_some_fields_may_be_selected_or_not() -> None:
    wanted = selecting("tag = 'a' and sim_status = 'issued'")
    assert not wanted.may_select(wanted.of_nothing(["tag", "name"]))
    assert wanted.may_select(wanted.of_nothing(["name"]))
    unwanted = selecting("tag != 'a' and sim_status = 'issued'")
    assert unwanted.may_select(unwanted.of_nothing(["tag"]))
    assert selecting("tag is null").may_select(selecting("tag is null").of_nothing(["tag"]))


def test_the_same_condition_twice_is_judged_once() -> None:
    selection = selecting("tag = 'a' and (name = 'x' or TAG = 'a')")
    assert len(selection.columns(["tag", "name"])) == 2
    assert [each.name for each in selection.fields] == ["tag", "name"]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("name = 'x'", None),
        ("heard < 2026-03-20", 20),
        ("heard >= 2026-03-20", 20),
        ("heard <= 2026-03-20", 21),
        ("heard > 2026-03-20", 21),
        ("heard = 2026-03-20", 20),
        ("heard in (2026-03-20, 2026-03-18)", 18),
        ("heard < 7 days ago or not heard > 2026-03-10 and name = 'x'", 11),
        ("heard is not null", 2),
        ("heard < 29 days ago", 2),
    ],
)
def test_a_log_is_read_back_to_the_oldest_moment_that_matters(text: str, day: int | None) -> None:
    assert selecting(text).earliest() == (day and datetime(2026, 3, day, tzinfo=UTC))


@pytest.mark.parametrize("text", ["heard < 30 days ago", "heard > 2025-12-31", "heard in (today, 2026-03-01)"])
def test_what_a_log_is_too_short_for_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="can be compared with 2026-03-02 and later, which is 29 days ago"):
        selecting(text)


def test_what_a_log_does_not_show_was_earlier() -> None:
    noon = datetime(2026, 3, 20, 12, tzinfo=UTC)
    rows = pl.DataFrame({"heard": [None, noon]}, {"heard": MOMENT})
    for text, held in {
        "heard < 2026-03-20": [True, False],
        "heard <= 2026-03-20": [True, True],
        "heard >= 2026-03-20": [False, True],
        "not heard > 2026-03-20": [True, True],
        "heard = 2026-03-20": [False, True],
        "heard is null": [True, False],
    }.items():
        selection = selecting(text)
        assert rows.select(selection.judged(["heard"])).select(selection.selects()).to_series().to_list() == held, text
