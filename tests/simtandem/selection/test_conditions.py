"""Fields and values are checked before anything is asked of the carrier."""

import pytest

from simtandem.errors import InputError
from tests.simtandem.selection.listed import selecting


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("tga = 'x'", "shows no field tga; did you mean tag? It shows name, iccid, tag,"),
        ("colour = 'x'", "shows no field colour. It shows name"),
        ("activation_date < 'yesterday'", "activation_date is a date, and this is none"),
        ("activation_date = 17", "activation_date is a date, and this is none"),
        ("activation_date = 2026-02-30", "activation_date is a date, and this is none"),
        ("activation_date > 99999999999 days ago", "activation_date is a date, and this is none"),
        ("activation_date like '2026%'", "activation_date is a date, which like does not suit"),
        ("name = 2026-01-31", "name is a text, and this is a date; put a text in quotes"),
        ("name < 'x'", "name is a text, which < does not suit; use = != in, is null, like, contains"),
        ("sim_id = 'x'", "sim_id is a number, and this is none"),
        ("sim_id = 9223372036854775807", "this number is too large: sim_id has at most 18 digits"),
        ("sim_id contains '1'", "sim_id is a number, which contains does not suit"),
        ("sim_status = 'Isued'", "this is no status of sim_status; did you mean 'Issued'? It is one of"),
        ("sim_status = 5", "this is no status of sim_status"),
        ("sim_status = ''", "this is no status of sim_status"),
        ("sim_status = today", "this is no status of sim_status"),
        ("sim_status = 1 days ago", "this is no status of sim_status"),
        ("sim_status = 'enabled'", "this is no status of sim_status"),
        ("endpoint_status = 'activated'", "this is no status of endpoint_status"),
        ("endpoint_status = 3", "this is no status of endpoint_status"),
        ("endpoint_status = 'issued'", "this is no status of endpoint_status"),
        ("sim_status like 'A%'", "sim_status is a status of the SIM, which like does not suit"),
        ("tag = 'a,b'", "no tag has a comma in it"),
        ("tag >= 'a'", "tag is a set of tags, which >= does not suit"),
        ("name = '\udcff'", "this text is not UTF-8"),
    ],
)
def test_what_a_field_can_not_be_asked_is_said(written: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        selecting(written)
    assert said in str(caught.value)


@pytest.mark.parametrize("word", ["Factory Test", "factory_test", "FACTORY-TEST", " factory test "])
def test_status_words_are_the_carriers_in_any_spelling(word: str) -> None:
    (condition,) = selecting(f"sim_status = '{word}'").conditions.values()
    assert condition.values == ("Factory Test",)


@pytest.mark.parametrize(
    ("written", "statuses"),
    [
        ("sim_status in ('active', 'Activate', '1', 1)", ["Activated"] * 4),
        ("sim_status in ('suspend', '2', 2)", ["Suspended"] * 3),
        ("sim_status != '4'", ["Factory Test"]),
        ("sim_status in (0, '0', 3, 'delete')", ["Issued", "Issued", "Deleted", "Deleted"]),
        ("endpoint_status in ('enabled', 'enable', 0, '0')", ["Enabled"] * 4),
        ("endpoint_status in ('DISABLED', 'disable', 1, '1')", ["Disabled"] * 4),
        ("endpoint_status in ('deleted', 'delete', 2, '2')", ["Deleted"] * 4),
    ],
)
def test_a_status_has_the_carriers_words_and_numbers(written: str, statuses: list[str]) -> None:
    (condition,) = selecting(written).conditions.values()
    assert list(condition.values) == statuses


def test_names_of_fields_have_aliases_and_any_case() -> None:
    assert {each.field.name for each in selecting("TAGS = 'a' or tag = 'a'").conditions.values()} == {"tag"}


def test_a_check_digit_is_not_compared_and_any_other_digit_is() -> None:
    conditions = selecting("iccid in (89883030000100000014, 8988303000010000001, '898830300001')").conditions
    (condition,) = conditions.values()
    assert condition.values == ("8988303000010000001", "8988303000010000001", "898830300001")
