"""Which ids of a list are another account's."""

import polars as pl
import pytest

from simtandem.runs.foreign_devices import foreign

_IDS = pl.Schema(dict.fromkeys(("sim_id", "endpoint_id", "iccid"), pl.String()))
_OTHERS = pl.Schema({"account": pl.String(), **_IDS})
ICCID = "8988303000010000230"


def named(*rows: tuple[str | None, ...], schema: pl.Schema = _IDS) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


def of_others(*rows: tuple[str | None, ...]) -> pl.DataFrame:
    return named(*rows, schema=_OTHERS)


@pytest.mark.parametrize("other", range(12))
def test_the_one_that_is_missing_is_found_wherever_it_stands(other: int) -> None:
    ids = [str(10_000_001 + each) for each in range(12)]
    own = named(*((each, None, None) for each in ids if each != ids[other]))
    others = of_others(("us", ids[other], None, None))
    for _ in range(20):  # an order that changes from call to call would hide it every other time
        found = foreign(named(*((each, None, None) for each in ids)), own, others)
        assert found.rows() == [("us", "sim_id", ids[other])]


def test_the_first_is_the_lists_first_and_each_counts_once() -> None:
    devices = named(("9", "5", None), ("9", None, None), ("3", None, None), ("1", None, None))
    others = of_others(("us", "3", None, None), ("us", "9", "5", None), ("asia", "9", None, None))
    found = foreign(devices, named(("1", None, None)), others)
    assert found.rows() == [
        ("us", "sim_id", "9"),
        ("asia", "sim_id", "9"),
        ("us", "sim_id", "3"),
        ("us", "endpoint_id", "5"),
    ]


@pytest.mark.parametrize("asked", [(None, None, ICCID), (None, None, ICCID + "9"), (ICCID + "9", None, None)])
@pytest.mark.parametrize("seen", [("7", "8", ICCID), (ICCID + "9", None, ICCID + "9"), (ICCID, None, None)])
def test_an_iccid_is_one_whichever_carrier_names_its_sims_by_it(
    asked: tuple[str | None, ...], seen: tuple[str | None, ...]
) -> None:
    found = foreign(named(asked), named(), of_others(("us", *seen)))
    assert found.rows() == [("us", "sim_id" if asked[0] else "iccid", asked[0] or asked[2])]
    assert foreign(named(asked), named(seen), of_others(("us", *seen))).is_empty(), "this account has it, too"


def test_a_number_is_a_sims_or_an_endpoints() -> None:
    assert foreign(named(("7", None, None)), named(), of_others(("us", "8", "7", None))).is_empty()
    assert foreign(named((None, "7", None)), named(), of_others(("us", "7", None, None))).is_empty()
