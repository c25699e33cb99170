import pytest

from simtandem.carriers.registry import ADAPTERS, fields_of
from simtandem.errors import InputError
from simtandem.selection.fields import FieldKind
from tests.simtandem.selection.listed import FIELDS


def test_a_field_is_found_by_its_names_and_a_name_that_is_none_gets_the_nearest() -> None:
    assert FIELDS.named("tags") is FIELDS.named("tag") is not None
    assert FIELDS.named("colour") is None
    assert "did you mean activation_date?" in FIELDS.instead_of("activated_date")


def test_every_carrier_that_can_be_listed_shows_at_least_the_status_and_the_others_say_what_to_do() -> None:
    for carrier, adapter in ADAPTERS.items():
        if adapter.fields:
            status = fields_of(carrier).named("sim_status")
            assert status is not None
            assert status.kind is FieldKind.SIM_STATUS
        else:
            with pytest.raises(InputError, match=f"{carrier}'s interface.*can't list a fleet"):
                fields_of(carrier)
