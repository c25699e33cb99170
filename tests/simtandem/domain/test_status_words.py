"""Whatever word a list may have for a status, asked for or not, names that status where one is looked for."""

import pytest

from schemas.statuses import Half
from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.emnify.lifecycle import EMNIFY, ENDPOINT_STATUS_IDS, SIM_STATUS_IDS
from simtandem.domain.lifecycle import Lifecycle, as_written
from simtandem.domain.status_words import status_words
from simtandem.intake.vocabulary import vocabulary_of

LIFECYCLES = pytest.mark.parametrize(
    "lifecycle", [EMNIFY, IOT_ACCELERATOR, AERADMIN], ids=lambda lifecycle: lifecycle.carrier
)


@LIFECYCLES
def test_every_word_of_a_list_is_the_status_that_it_asks_for(lifecycle: Lifecycle) -> None:
    asked = {word: lifecycle.goal(goal).sim for word, goal in lifecycle.wishes.items()}
    assert asked.items() <= status_words(lifecycle, Half.SIM).items()


@LIFECYCLES
def test_every_word_that_nobody_can_ask_for_is_a_status_all_the_same(lifecycle: Lifecycle) -> None:
    known = status_words(lifecycle, Half.SIM).keys() | status_words(lifecycle, Half.ENDPOINT).keys()
    assert vocabulary_of(lifecycle).unwished.keys() <= known


@LIFECYCLES
def test_the_carriers_own_names_come_before_the_words_for_a_goal(lifecycle: Lifecycle) -> None:
    for half, statuses in ((Half.SIM, lifecycle.sims), (Half.ENDPOINT, lifecycle.endpoints)):
        words = status_words(lifecycle, half)
        assert {one.name: words[as_written(one.name)] for one in statuses} == {one.name: one.name for one in statuses}


def test_a_number_is_that_of_the_carrier() -> None:
    for half, numbers in ((Half.SIM, SIM_STATUS_IDS), (Half.ENDPOINT, ENDPOINT_STATUS_IDS)):
        words = status_words(EMNIFY, half)
        assert {word: name for word, name in words.items() if word.isdigit()} == {
            str(number): name for name, number in numbers.items()
        }


def test_a_carrier_without_endpoints_has_no_words_for_them() -> None:
    assert status_words(AERADMIN, Half.ENDPOINT) == {}
