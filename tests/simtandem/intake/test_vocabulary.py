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
from simtandem.intake.vocabulary import vocabulary_of


def read(folder: Path, text: str, lifecycle: Lifecycle, to: Target | None = None) -> Intake:
    file = folder / "devices.csv"
    file.write_text(text)
    return read_devices(file, to, lifecycle=lifecycle)


ICCID = "8918512000012345678"


def reasons(intake: Intake) -> list[str]:
    return intake.rejected["reason"].to_list()


def test_the_words_and_checks_of_emnifys_lists_follow_from_its_table() -> None:
    told = vocabulary_of(EMNIFY)
    assert told.wishes == {
        **dict.fromkeys(("activated", "activate", "active", "1"), "activated"),
        **dict.fromkeys(("suspended", "suspend", "2"), "suspended"),
        **dict.fromkeys(("factorytest", "4"), "factory_test"),
    }
    assert told.allowed == ("activated", "suspended", "factory_test")
    assert (told.rules.unchecked, told.rules.shapes, told.iccid_kept, told.others) == (frozenset(), {}, 19, ())


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


@pytest.mark.parametrize("word", ["terminated", "factory_test", "1", "pause"])
def test_a_word_of_another_carrier_is_no_wish_and_none_is_made_of_it(tmp_path: Path, word: str) -> None:
    intake = read(tmp_path, f"iccid,status\n{ICCID},{word}\n8918512000012345679,activate\n", AERADMIN)
    assert intake.devices["row"].to_list() == [3]
    assert reasons(intake) == ["is not a status; allowed are activated, suspended, provisioned"]


@pytest.mark.parametrize("word", ["Canceled", "Deactivate", "assigned", "Initial"])
def test_a_status_that_the_carrier_has_and_nobody_can_ask_for_is_named_as_that(tmp_path: Path, word: str) -> None:
    intake = read(tmp_path, f"iccid,status\n{ICCID},{word}\n8918512000012345679,activate\n", AERADMIN)
    assert reasons(intake) == [
        "is a status that nobody can ask for; allowed are activated, suspended, provisioned",
    ]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("Issued", "a SIM can't become Issued again; allowed are activated, suspended, factory_test"),
        ("3", "simtandem deletes nothing; allowed are activated, suspended, factory_test"),
        ("disable", "is an endpoint status; use activated or suspended, which set the endpoint as well"),
        ("on", "is not a status; allowed are activated, suspended, factory_test"),
    ],
)
def test_what_is_said_of_emnifys_other_words_stands_in_its_table(tmp_path: Path, word: str, reason: str) -> None:
    assert reasons(read(tmp_path, f"sim_id,status\n1,{word}\n2,active\n", EMNIFY)) == [reason]


@pytest.mark.parametrize("header", ["IMSI", "sim_id"])
def test_an_id_of_another_kind_that_the_carrier_has_names_the_sim(tmp_path: Path, header: str) -> None:
    intake = read(tmp_path, f"{header}\n310170123456789\n", AERADMIN, Target.SUSPENDED)
    assert (intake.devices["sim_id"].to_list(), intake.notes) == (["310170123456789"], ())


def test_a_number_that_could_be_an_imsi_names_a_sim_as_msisdn_only_in_a_column_of_that_name(tmp_path: Path) -> None:
    intake = read(tmp_path, "MSISDN\n467190000000001\n+46719000000001\n=1\n46 719\n", IOT_ACCELERATOR, Target.SUSPENDED)
    assert intake.devices["sim_id"].to_list() == ["msisdn-467190000000001", "msisdn-46719000000001"]
    assert [each[:12] for each in reasons(intake)] == ["is a formula", "is no id tha"]
    bare = read(tmp_path, "sim_id\n467190000000001\n4671900000001\n", IOT_ACCELERATOR, Target.SUSPENDED)
    assert (bare.devices["sim_id"].to_list(), bare.rejected["row"].to_list()) == (["467190000000001"], [3])


def test_other_kinds_of_ids_are_not_read_beside_a_better_one(tmp_path: Path) -> None:
    intake = read(tmp_path, f"imsi,iccid\n310170123456789,{ICCID}\n", AERADMIN, Target.SUSPENDED)
    assert intake.devices.select("sim_id", "iccid").row(0) == (None, ICCID)
    assert intake.notes == ("Own columns, kept in plan, results and report: 'imsi'.",)
    both = read(tmp_path, "device_profile_id,imsi\nAER0000012345678,310170123456789\n", AERADMIN, Target.SUSPENDED)
    assert both.devices["sim_id"].to_list() == ["310170123456789"]
    assert both.notes == ("Own columns, kept in plan, results and report: 'device_profile_id'.",)


NAMES = "is no id that aeradmin has; it names a device by iccid (19 or 20 digits) or imsi (14 or 15 digits)"


@pytest.mark.parametrize(
    ("header", "ident"),
    [("endpoint_id", "1234567"), ("sim_id", "1234567"), ("imsi", "12a"), ("sim_id", "AER0000012345678")],
)
def test_an_id_that_the_carrier_can_not_have_is_invalid_and_the_kinds_it_has_are_named(
    tmp_path: Path, header: str, ident: str
) -> None:
    with pytest.raises(InputError, match="no row is usable") as told:
        read(tmp_path, f"{header}\n{ident}\n", AERADMIN, Target.SUSPENDED)
    assert NAMES in str(told.value)


def test_emnify_names_no_device_by_an_imsi(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Name one of them sim_id, endpoint_id or iccid"):
        read(tmp_path, "imsi\n310170123456789\n", EMNIFY, Target.SUSPENDED)
    with pytest.raises(InputError, match="Name one of them iccid, imsi or msisdn"):
        read(tmp_path, "serial\n1\n", IOT_ACCELERATOR, Target.SUSPENDED)


def test_an_iccid_of_which_a_spreadsheet_lost_digits_is_seen_in_the_column_sim_id_too(tmp_path: Path) -> None:
    intake = read(tmp_path, f"sim_id\n8918512000012340000\n{ICCID}\n", AERADMIN, Target.SUSPENDED)
    assert intake.devices["sim_id"].to_list() == [ICCID]
    assert "a spreadsheet kept 15 digits" in reasons(intake)[0]


def test_a_status_for_all_rows_that_the_carrier_has_not_ends_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"emnify has no status provisioned. Nothing was sent"):
        read(tmp_path, "sim_id\n1\n", EMNIFY, Target.PROVISIONED)


def test_a_status_for_other_rows_that_the_carrier_has_not_keeps_no_list_from_its_own(tmp_path: Path) -> None:
    of_emnify = read(tmp_path, "iccid,status\n8988303000000000011,activate\n", EMNIFY, Target.DEACTIVATED)
    assert of_emnify.devices["desired"].to_list() == ["activated"]
    with pytest.raises(InputError, match="emnify has no status deactivated"):
        read(tmp_path, "iccid,status\n8988303000000000011,activate\n8988303000000000029,\n", EMNIFY, Target.DEACTIVATED)
