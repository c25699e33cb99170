import pytest

from simtandem.domain.last_sender import Sender, judge, taken_back


def sender(run_id: str, undoes: str | None = None, *, sure: bool = True) -> Sender:
    return Sender(run_id, undoes, sure)


@pytest.mark.parametrize(
    ("senders", "claimed"),
    [
        ([], None),
        ([sender("b")], "b"),
        ([sender("b"), sender("c")], "c"),
        ([sender("b"), sender("u", "b")], None),
        ([sender("b"), sender("c"), sender("u", "c")], "b"),
        ([sender("b"), sender("u", "b"), sender("v", "u")], "b"),
        ([sender("u", "a")], None),
        ([sender("u", "a"), sender("v", "u")], None),
        ([sender("u", "a"), sender("c")], "c"),
        ([sender("b"), sender("u", "a")], "b"),
        ([sender("u", "earlier")], "u"),
        ([sender("b"), sender("u", "b"), sender("c")], "c"),
    ],
)
def test_a_half_belongs_to_the_last_run_that_was_not_undone(senders: list[Sender], claimed: str | None) -> None:
    assert judge(senders, "a")[0] == claimed


def test_where_the_device_is_elsewhere_an_unanswered_undo_may_have_done_nothing() -> None:
    claimed, named = judge([sender("b"), sender("u", "b", sure=False)], "a")
    assert (claimed, named) == (None, "b")


@pytest.mark.parametrize("sure", [True, False])
def test_an_undo_of_the_run_itself_does_not_keep_it_from_being_undone_again(sure: bool) -> None:
    assert judge([sender("u", "a", sure=sure)], "a") == (None, None)


@pytest.mark.parametrize(
    ("senders", "undo"),
    [
        ([], None),
        ([sender("b")], None),
        ([sender("u", "a")], ("u", True)),
        ([sender("u", "a", sure=False)], ("u", False)),
        ([sender("u", "a"), sender("v", "u")], None),
        ([sender("u", "a"), sender("v", "u", sure=False)], ("u", False)),
        ([sender("u", "a"), sender("v", "u"), sender("w", "a")], ("w", True)),
        ([sender("u", "a"), sender("b"), sender("v", "b")], ("u", True)),
        ([sender("u", "earlier")], None),
    ],
)
def test_how_far_a_run_is_taken_back_is_what_its_last_undo_did_that_stands(
    senders: list[Sender], undo: tuple[str, bool] | None
) -> None:
    found = taken_back(senders, "a")
    assert (found and (found.run_id, found.sure)) == undo
