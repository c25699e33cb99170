"""How each carrier spells its ids: one cuts an ICCID's check digit, another must not."""

import polars as pl
import pytest

from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.lifecycle import Lifecycle


def normalised(lifecycle: Lifecycle, kind: str, text: str) -> str | None:
    [one] = [each for each in lifecycle.ids if each.name == kind]
    found: str | None = pl.select(one.normalised(pl.lit(text))).item()
    return found


@pytest.mark.parametrize(
    ("lifecycle", "kind", "text", "kept"),
    [
        (EMNIFY, "iccid", "89880000000000000010", "8988000000000000001"),
        (EMNIFY, "iccid", "8988000000000000001", "8988000000000000001"),
        (EMNIFY, "iccid", "898800000000000000", None),
        (EMNIFY, "sim_id", "12345", "12345"),
        (EMNIFY, "sim_id", "12a", None),
        (AERADMIN, "iccid", "89185015061234567890", "89185015061234567890"),
        (AERADMIN, "iccid", "8918123412341234123", "8918123412341234123"),
        (AERADMIN, "device_profile_id", "AER0000012345678", "AER0000012345678"),
        (AERADMIN, "device_profile_id", "0000012345678", None),
        (AERADMIN, "imsi", "310170123456789", "310170123456789"),
    ],
)
def test_an_id_is_spelled_as_its_carrier_spells_it(
    lifecycle: Lifecycle, kind: str, text: str, kept: str | None
) -> None:
    assert normalised(lifecycle, kind, text) == kept
