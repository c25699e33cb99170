import pytest

from simtandem.domain.last_sender import Sender, judge


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
        ([sender("u", "a")], "u"),
        ([sender("u", "a"), sender("v", "u")], None),
        ([sender("u", "earlier")], "u"),
        ([sender("b"), sender("u", "b"), sender("c")], "c"),
    ],
)
def test_a_half_belongs_to_the_last_run_that_was_not_undone(senders: list[Sender], claimed: str | None) -> None:
    assert judge(senders, "a")[0] == claimed


def test_where_the_device_is_elsewhere_an_unanswered_undo_may_have_done_nothing() -> None:
    claimed, named = judge([sender("b"), sender("u", "b", sure=False)], "a")
    assert (claimed, named) == (None, "b")


def test_an_unanswered_undo_of_the_run_itself_does_not_keep_it_from_being_undone_again() -> None:
    claimed, named = judge([sender("u", "a", sure=False)], "a")
    assert (claimed, named) == (None, "u")
