import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import polars as pl
import pytest

from simtandem.intake import duplicates
from simtandem.intake.duplicates import find_duplicates

SCHEMA = {"row": pl.Int64, **dict.fromkeys(("sim_id", "endpoint_id", "iccid", "desired", "owners"), pl.String)}
A, S = "activated", "suspended"
Device = tuple[str | None, ...]


def find(*devices: Device) -> tuple[list[tuple[int, int]], dict[int, tuple[str, str]]]:
    """Rows from 2 on: repeats, and field and reason of each contradiction by row."""
    rows = [(row, *device, *[None] * (5 - len(device))) for row, device in enumerate(devices, start=2)]
    repeats, contradictions = find_duplicates(pl.DataFrame(rows, schema=SCHEMA, orient="row"))
    return repeats, {each.row: (each.field, each.reason) for each in contradictions}


def test_devices_that_share_nothing_are_left_alone() -> None:
    assert find(("1", None, None, A), ("2", None, None, A), (None, "1", None, S), (None, None, "1", S)) == ([], {})


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_same_id_with_the_same_status_repeats_the_first_row(place: int) -> None:
    ids: list[str | None] = [None, None, None]
    ids[place] = "7"
    device = (*ids, A)
    assert find(device, ("9", None, None, A), device, device) == ([(4, 2), (5, 2)], {})


def test_a_repeat_may_name_the_device_by_fewer_or_other_ids() -> None:
    assert find(("1", None, "8", A), (None, "5", "8", A), ("1", "5", None, A)) == ([(3, 2), (4, 2)], {})


def test_contradicting_statuses_spoil_every_row_and_name_the_others() -> None:
    repeats, spoilt = find(("1", None, None, A), ("1", None, None, S), ("1", None, None, A))
    assert repeats == []
    assert spoilt == {
        2: ("status", "asks for activated, but row 3 for another status of the same device"),
        3: ("status", "asks for suspended, but rows 2, 4 for another status of the same device"),
        4: ("status", "asks for activated, but row 3 for another status of the same device"),
    }


def test_contradicting_ids_spoil_every_row_even_if_they_ask_for_the_same() -> None:
    repeats, spoilt = find(("1", "5", None, A), ("1", "6", None, A), ("1", None, None, A))
    assert repeats == []
    assert spoilt == {
        2: ("endpoint_id", "names the same device as row 3, but with another endpoint_id"),
        3: ("endpoint_id", "names the same device as row 2, but with another endpoint_id"),
        4: ("endpoint_id", "names a device for which rows 2, 3 disagree about the endpoint_id"),
    }


def test_a_contradiction_reaches_rows_that_name_the_device_in_another_way() -> None:
    _, spoilt = find(("1", None, "8", A), ("1", None, None, S), (None, None, "8", A))
    assert set(spoilt) == {2, 3, 4}


def test_only_the_first_few_of_many_rows_are_named() -> None:
    _, spoilt = find(*[("1", None, None, A)] * 6, ("1", None, None, S))
    assert spoilt[8][1] == "asks for suspended, but rows 2, 3, 4 and 3 more for another status of the same device"


def test_the_same_number_as_sim_and_as_endpoint_is_two_things() -> None:
    sim, endpoint = ("1", None, None, A), (None, "1", None, S)
    assert find(sim, sim, endpoint, endpoint) == ([(3, 2), (5, 4)], {})


def steps_for(devices: list[Device]) -> int:
    """How many lines of the search for duplicates run for these devices."""
    steps = 0

    def count(frame: FrameType, _event: str, _argument: object) -> Any:
        nonlocal steps
        if frame.f_code.co_filename != duplicates.__file__:
            return None
        steps += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        find(*devices)
    finally:
        sys.settrace(before)
    return steps


@pytest.mark.parametrize(
    "device",
    [
        pytest.param(lambda number: ("1", None, str(number), A), id="a slot's number in the column of SIM ids"),
        pytest.param(lambda number: ("1", None, None, A if number else S), id="one device in all rows"),
        pytest.param(lambda number: ("1", None, None, A), id="one row again and again"),
        pytest.param(
            lambda number: (str(number // 2), str((number + 1) // 2), None, A), id="a chain of crossing pairs"
        ),
        pytest.param(
            lambda number: (str(-number // 2), str((1 - number) // 2), None, A), id="crossing pairs from their end"
        ),
    ],
)
def test_work_grows_no_faster_than_the_file_however_the_rows_hang_together(device: Callable[[int], Device]) -> None:
    few, many = (steps_for([device(number) for number in range(size)]) for size in (200, 1600))
    assert many < few * 8 * 1.5, "eight times the rows"
