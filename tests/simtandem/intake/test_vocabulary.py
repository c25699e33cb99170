"""A list says what its carrier has: words for a status, and ICCIDs that are not cut where nobody knows their digits."""

from pathlib import Path

import pytest

from schemas.statuses import Target
from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.lifecycle import Lifecycle
from simtandem.errors import InputError
from simtandem.intake import Intake, read_devices
from simtandem.intake.vocabulary import Vocabulary, vocabulary_of


def read(folder: Path, text: str, lifecycle: Lifecycle, to: Target | None = None) -> Intake:
    file = folder / "devices.csv"
    file.write_text(text)
    return read_devices(file, to, lifecycle=lifecycle)


def test_the_table_of_emnify_says_what_lists_of_emnify_always_said() -> None:
    told, always = vocabulary_of(EMNIFY), Vocabulary()
    assert (dict(told.wishes), told.allowed) == (dict(always.wishes), always.allowed)
    assert (told.unchecked, told.iccid_kept) == (always.unchecked, always.iccid_kept)


def test_an_iccid_of_20_digits_is_kept_whole_and_need_not_begin_with_89(tmp_path: Path) -> None:
    intake = read(tmp_path, "iccid\n99987123456789012345\n8918123412341234123\n", IOT_ACCELERATOR, Target.SUSPENDED)
    assert intake.devices["iccid"].to_list() == ["99987123456789012345", "8918123412341234123"]


def test_an_iccid_may_stand_in_the_column_sim_id_as_results_have_it(tmp_path: Path) -> None:
    intake = read(tmp_path, "sim_id,iccid\n8918512000012345678,8918512000012345678\n", AERADMIN, Target.SUSPENDED)
    assert (intake.devices["sim_id"].to_list(), intake.rejected.height) == (["8918512000012345678"], 0)


@pytest.mark.parametrize(
    ("lifecycle", "word", "target"),
    [
        (AERADMIN, "Start Billing", "activated"),
        (AERADMIN, "provision", "provisioned"),
        (IOT_ACCELERATOR, "PAUSE", "suspended"),
        (IOT_ACCELERATOR, "deactivated", "deactivated"),
    ],
)
def test_the_carriers_own_words_are_statuses(tmp_path: Path, lifecycle: Lifecycle, word: str, target: str) -> None:
    intake = read(tmp_path, f"iccid,status\n8918512000012345678,{word}\n", lifecycle)
    assert intake.devices["desired"].to_list() == [target]


@pytest.mark.parametrize("word", ["canceled", "terminated", "factory_test", "1", "assigned"])
def test_a_word_of_another_carrier_is_no_wish_and_none_is_made_of_it(tmp_path: Path, word: str) -> None:
    text = f"iccid,status\n8918512000012345678,{word}\n8918512000012345679,activate\n"
    intake = read(tmp_path, text, AERADMIN)
    assert intake.devices["row"].to_list() == [3]
    assert intake.rejected["reason"].to_list() == [
        "is not a status; allowed are activated, suspended, provisioned",
    ]


def test_a_status_for_all_rows_that_the_carrier_has_not_ends_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--to provisioned: emnify has no such status. Nothing was sent"):
        read(tmp_path, "sim_id\n1\n", EMNIFY, Target.PROVISIONED)
