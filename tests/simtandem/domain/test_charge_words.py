"""Words of money, which name a status alone where nobody knows what it costs."""

import pytest

from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain import charge_words
from simtandem.domain.lifecycle import Lifecycle
from simtandem.reports.run_counts import newly_billed_means


@pytest.mark.parametrize("lifecycle", [EMNIFY, AERADMIN])
def test_a_carrier_whose_charges_are_known_says_billed(lifecycle: Lifecycle) -> None:
    assert charge_words.known(lifecycle)
    assert (charge_words.newly(lifecycle), charge_words.no_longer(lifecycle)) == ("newly billed", "no longer billed")
    assert (charge_words.from_now(lifecycle), charge_words.counted(lifecycle)) == ("billed from now", "charged")
    assert charge_words.note(lifecycle) == ""


def test_no_word_says_billed_where_nobody_knows_it() -> None:
    said = [word(IOT_ACCELERATOR) for word in (charge_words.newly, charge_words.no_longer, charge_words.from_now)]
    assert said == ["newly ACTIVE", "no longer ACTIVE", "newly ACTIVE"]
    assert charge_words.counted(IOT_ACCELERATOR) == "ACTIVE"
    assert charge_words.note(IOT_ACCELERATOR).endswith("is the contract's")
    sentences = [
        charge_words.without_return(3, IOT_ACCELERATOR),
        charge_words.unlimited(IOT_ACCELERATOR).replace("SIMTANDEM_MAX_NEWLY_BILLED", ""),
        newly_billed_means(IOT_ACCELERATOR),
    ]
    assert [words for text in sentences for words in ("billed", "bills", "charged") if words in text] == []
    assert sentences[0].startswith("3 SIMs would leave their status permanently: nothing goes back to NEW")
    assert charge_words.without_return(1, IOT_ACCELERATOR).startswith("1 SIM would leave its status")


def test_what_nobody_knows_is_still_taken_for_charged() -> None:
    assert IOT_ACCELERATOR.charged == ("ACTIVE",)
    assert [goal.word for goal in IOT_ACCELERATOR.saving] == ["suspended", "deactivated"]


def test_runs_at_several_carriers_have_the_words_of_all() -> None:
    assert charge_words.of_all([EMNIFY, AERADMIN]) == ("newly billed", "no longer billed")
    both = ("newly billed or newly ACTIVE", "no longer billed or no longer ACTIVE")
    assert charge_words.of_all([EMNIFY, IOT_ACCELERATOR]) == both


def test_a_heading_keeps_a_carriers_spelling() -> None:
    assert charge_words.as_heading("newly ACTIVE") == "Newly ACTIVE"
