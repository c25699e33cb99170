import pytest

from simtandem.errors import PlanRefused
from simtandem.runs.four_eyes import Identity, Person, objection, person, require_somebody

ADA, GRACE = Person("Ada"), Person("Grace")
KNOWN = Person("ada", Identity.AUTHENTICATED)


def test_whom_the_login_vouches_for_comes_before_whom_somebody_says_they_are() -> None:
    assert person("ada", "Grace") == KNOWN
    assert person(None, " Grace\n Hopper\x1b ") == Person("Grace Hopper")
    assert person(None, " \u200b- ") is None
    assert person("", "") is None


@pytest.mark.parametrize(("asked", "approved"), [(ADA, ADA), (KNOWN, KNOWN), (ADA, KNOWN), (KNOWN, GRACE), (None, ADA)])
def test_what_can_not_be_two_people_is_none(asked: Person | None, approved: Person) -> None:
    assert objection(asked, approved)


def test_two_people_are_two_people() -> None:
    assert objection(ADA, GRACE) == ""
    assert objection(KNOWN, Person("grace", Identity.AUTHENTICATED)) == ""


def test_somebody_has_to_ask() -> None:
    require_somebody(ADA)
    with pytest.raises(PlanRefused, match="Who asks"):
        require_somebody(None)
