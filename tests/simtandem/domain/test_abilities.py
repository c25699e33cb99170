"""What is said where a carrier lacks an ability."""

from dataclasses import replace

from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.abilities import Ability


def test_a_lacking_ability_is_a_sentence_and_a_present_one_is_nothing() -> None:
    assert EMNIFY.lacks(Ability.EVENTS, "nothing explains a change") == ""
    bare = replace(EMNIFY, abilities=frozenset())
    assert bare.lacks(Ability.EVENTS, "nothing explains a change") == (
        "emnify can't list events: nothing explains a change"
    )
