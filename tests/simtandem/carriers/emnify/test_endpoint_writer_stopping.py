"""Bulk calls of which too much is refused: the stop rule acts in the middle of narrowing them down."""

from pathlib import Path

import pytest

from schemas.statuses import Outcome
from simtandem.carriers.protocol import Outdated, StepResult
from simtandem.domain.safety import StopRule
from tests.simtandem.carriers.emnify.picky_carrier import PickyCarrier
from tests.simtandem.carriers.emnify.rig import endpoint_changes, outcomes, scripted

RULE = StopRule()


async def change(tmp_path: Path, carrier: PickyCarrier, count: int) -> list[StepResult]:
    async with scripted(tmp_path, carrier) as rig:
        return await rig.endpoints.change(endpoint_changes(range(1, count + 1)), stops=RULE.stops)


@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "partial"])
async def test_a_bulk_call_of_nothing_but_bad_rows_is_given_up_after_a_few_calls(tmp_path: Path, atomic: bool) -> None:
    carrier = PickyCarrier(499, range(1, 500), atomic=atomic)
    results = await change(tmp_path, carrier, 499)
    assert outcomes(results) == [Outcome.REFUSED] * RULE.at_least
    assert len(carrier.patches) <= 3 + RULE.at_least
    assert carrier.reads <= 2


@pytest.mark.parametrize("bad", [range(1, 400), range(1, 2000, 2), range(1, 2000, 3)], ids=["front", "half", "third"])
async def test_a_bulk_call_with_many_bad_rows_is_given_up_after_some_dozens(tmp_path: Path, bad: range) -> None:
    count = 499 if bad.stop == 400 else 1999
    carrier = PickyCarrier(count, bad)
    results = await change(tmp_path, carrier, count)
    assert len(carrier.patches) <= 60
    refused = outcomes(results).count(Outcome.REFUSED)
    assert RULE.at_least <= refused < 30
    assert set(outcomes(results)) <= {Outcome.REFUSED, Outcome.APPLIED}
    applied = {result.row - 1 for result in results if result.outcome is Outcome.APPLIED}
    assert {number for number, status in carrier.status.items() if status == 0} == applied


@pytest.mark.parametrize("bad", [range(1, 41), range(460, 500), range(5, 500, 13)], ids=["front", "end", "spread"])
async def test_few_bad_rows_never_stop_the_others_wherever_they_stand(tmp_path: Path, bad: range) -> None:
    carrier = PickyCarrier(499, bad)
    results = await change(tmp_path, carrier, 499)
    assert {result.row - 1 for result in results if result.outcome is Outcome.REFUSED} == set(bad)
    assert outcomes(results).count(Outcome.APPLIED) == 499 - len(bad)
    assert carrier.needless == 0


async def test_endpoints_whose_turn_comes_too_late_are_not_sent(tmp_path: Path) -> None:
    carrier = PickyCarrier(3)
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(Outdated) as late:
            await rig.endpoints.change(endpoint_changes(range(1, 4)), fresh=lambda: False)
    assert not late.value.sent
    assert carrier.patches == []


async def test_what_is_left_of_a_refused_bulk_call_is_not_sent_too_late(tmp_path: Path) -> None:
    carrier = PickyCarrier(4, [2])
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(Outdated) as late:
            await rig.endpoints.change(endpoint_changes(range(1, 5)), fresh=lambda: not carrier.patches)
    assert late.value.sent
    assert len(carrier.patches) == 1


async def test_rows_that_others_brought_there_meanwhile_are_no_reason_to_stop(tmp_path: Path) -> None:
    """Without bulk calls each of them is refused, as if it were bad."""
    carrier = PickyCarrier(100, forbids=("/multi",))
    carrier.meanwhile = dict.fromkeys(range(1, 101), 0)
    results = await change(tmp_path, carrier, 100)
    assert set(outcomes(results)) == {Outcome.UNCHANGED, Outcome.APPLIED}
    assert len(results) == 100


async def test_without_bulk_calls_nothing_but_bad_rows_is_given_up_as_soon(tmp_path: Path) -> None:
    carrier = PickyCarrier(499, range(1, 500), forbids=("/multi",))
    results = await change(tmp_path, carrier, 499)
    assert outcomes(results) == [Outcome.REFUSED] * RULE.at_least
    assert len(carrier.patches) == 3 + RULE.at_least


async def test_a_carrier_without_the_bulk_call_is_served_one_by_one(tmp_path: Path) -> None:
    """It answers 404 to the path itself, whatever the rows."""
    carrier = PickyCarrier(60, misses=("/multi",))
    results = await change(tmp_path, carrier, 60)
    assert outcomes(results) == [Outcome.APPLIED] * 60
    assert carrier.needless == 0
    assert len(carrier.patches) <= 60 + 20


async def test_a_size_that_the_carrier_does_not_take_is_halved(tmp_path: Path) -> None:
    carrier = PickyCarrier(1000, most=200)
    results = await change(tmp_path, carrier, 1000)
    assert outcomes(results) == [Outcome.APPLIED] * 1000
    assert carrier.needless == 0
    assert len(carrier.patches) <= 40
