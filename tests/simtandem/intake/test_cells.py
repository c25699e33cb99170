import polars as pl
import pytest

from schemas.statuses import Target
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.intake.cells import meaning, tidied
from simtandem.intake.vocabulary import vocabulary_of
from tests.simtandem.emnify_lists import parse_target

ICCID = "8988303000010000001"


def tidy(field: str, text: str) -> str | None:
    result: str | None = pl.select(tidied(field, pl.lit(text))).item()
    return result


@pytest.mark.parametrize(
    "text",
    [
        ICCID,
        f"  {ICCID}\t",
        f"\u00a0{ICCID}\u202f\u200b",
        f"'{ICCID}",
        f'="{ICCID}"',
        f' =" {ICCID} " ',
        f"{ICCID}F",
        f"{ICCID}f",
        "8988 3030 0001 0000 001F",
        "8988-3030-0001-0000-001",
        "8988\u00a03030\u00a00001\u00a00000\u00a0001",
    ],
)
def test_what_spreadsheets_and_people_put_around_an_iccid_is_taken_off(text: str) -> None:
    assert tidy("iccid", text) == ICCID


@pytest.mark.parametrize(("text", "left"), [("123.0", "123"), ("'123", "123"), ('="123"', "123"), (" 123\r\n", "123")])
def test_what_is_put_around_an_id_is_taken_off(text: str, left: str) -> None:
    assert tidy("sim_id", text) == left


@pytest.mark.parametrize("text", ["123.5", "123.00", "1 234", "=123", "-123", '="123', "12-34"])
def test_an_odd_id_stays_odd(text: str) -> None:
    assert tidy("endpoint_id", text) == text


@pytest.mark.parametrize("text", ["-8988303000010000001", "+8988303000010000001", "=8988303000010000001"])
def test_a_formula_in_an_iccid_stays_one(text: str) -> None:
    assert tidy("iccid", text) == text


@pytest.mark.parametrize("text", ["", "  ", "\u00a0", "'", '=""', "\u200b\ufeff"])
@pytest.mark.parametrize("field", ["sim_id", "iccid", "status"])
def test_a_cell_of_nothing_visible_is_empty(field: str, text: str) -> None:
    assert tidy(field, text) is None


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target.ACTIVATED, ["activated", "Activated", "ACTIVATE", "active", "1", "1.0", " activated ", "'activated"]),
        (Target.SUSPENDED, ["suspended", "Suspend", "2"]),
        (
            Target.FACTORY_TEST,
            ["factory_test", "Factory Test", "FACTORY-TEST", "factorytest", "factory\u00a0test", "4"],
        ),
    ],
)
def test_a_status_is_understood_in_the_carriers_spellings_and_ids(target: Target, words: list[str]) -> None:
    assert {word: parse_target(word) for word in words} == dict.fromkeys(words, target)


@pytest.mark.parametrize(
    "text", ["", " ", "Issued", "0", "Deleted", "3", "Enabled", "disabled", "5", "on", "-activated", "=1", "activated?"]
)
def test_what_cannot_be_asked_for_is_no_target(text: str) -> None:
    assert parse_target(text) is None


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("sim_id", "000123", "123"),
        ("endpoint_id", "120", "120"),
        ("iccid", ICCID, ICCID),
        ("iccid", "89883030000100000014", ICCID),
        ("status", "factorytest", "factory_test"),
        ("status", "1", "activated"),
    ],
)
def test_a_good_text_stands_for_one_value(field: str, text: str, value: str) -> None:
    assert pl.select(meaning(field, pl.lit(text), vocabulary_of(EMNIFY))).item() == value
