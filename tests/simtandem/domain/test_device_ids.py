"""How each carrier spells its ids: one cuts an ICCID's check digit, another must not."""

import polars as pl
import pytest

from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.device_ids import among, told_apart
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
        (AERADMIN, "imsi", "AER0000012345678", None),
        (AERADMIN, "imsi", "310170123456789", "310170123456789"),
    ],
)
def test_an_id_is_spelled_as_its_carrier_spells_it(
    lifecycle: Lifecycle, kind: str, text: str, kept: str | None
) -> None:
    assert normalised(lifecycle, kind, text) == kept


@pytest.mark.parametrize(
    ("lifecycle", "ident", "kind", "bare"),
    [
        (IOT_ACCELERATOR, "467190000000001", "imsi", "467190000000001"),
        (IOT_ACCELERATOR, "msisdn-467190000000001", "msisdn", "467190000000001"),
        (IOT_ACCELERATOR, "4671900000001", "", "4671900000001"),
        (AERADMIN, "msisdn-467190000000001", "", "msisdn-467190000000001"),
        (AERADMIN, "89185015061234567890", "iccid", "89185015061234567890"),
    ],
)
def test_an_id_is_told_from_those_of_other_kinds_by_its_look_or_its_mark(
    lifecycle: Lifecycle, ident: str, kind: str, bare: str
) -> None:
    assert told_apart(ident, lifecycle.ids) == (kind, bare)


@pytest.mark.parametrize(
    ("lifecycle", "other", "one_sim"),
    [
        (EMNIFY, "89880000000000000019", True),
        (EMNIFY, "8988000000000000002", False),
        (AERADMIN, "89880000000000000019", False),
        (AERADMIN, "89880000000000000010", True),
        (IOT_ACCELERATOR, "8988000000000000001", True),
        (IOT_ACCELERATOR, "8988000000000000002", False),
        (IOT_ACCELERATOR, "310170123456789", False),
    ],
)
def test_sims_that_differ_in_the_last_digit_are_one_where_the_carrier_cuts_it(
    lifecycle: Lifecycle, other: str, *, one_sim: bool
) -> None:
    assert among(["89880000000000000010"], lifecycle.ids)(other) is one_sim
    assert among([other], lifecycle.ids)("89880000000000000010") is one_sim
