"""Refused and invalid rows, grouped by why."""

import polars as pl
import pytest

from schemas.statuses import EndpointStatus, SimStatus, Target
from schemas.tables import Rejected, empty
from simtandem.domain.reason_groups import ReasonGroup, invalid, refused, without_ids
from tests.simtandem.model_fleet import device, wishes
from tests.simtandem.planned_rows import plan_for


def test_refused_rows_with_one_reason_are_one_group_with_an_example() -> None:
    plan = plan_for(
        wishes(
            (2, "10000001", None, None, Target.SUSPENDED),
            (3, "10000009", None, None, Target.SUSPENDED),
            (4, "10000002", None, None, Target.SUSPENDED),
            (5, "10000003", None, None, Target.SUSPENDED),
        ),
        device(10000001, SimStatus.ISSUED, EndpointStatus.DISABLED),
        device(10000002, SimStatus.ISSUED, EndpointStatus.DISABLED),
        device(10000003, SimStatus.SUSPENDED, EndpointStatus.DISABLED),
    )
    first, second = refused(plan)
    assert (first.count, first.row, first.example) == (2, 2, "SIM 10000001")
    assert first.reason.startswith("an Issued SIM can't be suspended")
    assert second == ReasonGroup(1, "SIM … is not in the carrier's inventory", 3, "SIM 10000009")


def test_invalid_rows_that_differ_in_numbers_alone_are_one_group() -> None:
    digit = "has {} as its check digit where {} belongs; a digit is wrong"
    rows = [
        (2, "iccid", "89883030000100002300", digit.format(0, 9)),
        (3, "status", "on", "is not a status"),
        (4, "iccid", "89883030000100002311", digit.format(1, 7)),
    ]
    rejected = pl.DataFrame(rows, schema=empty(Rejected).schema, orient="row")
    assert invalid(rejected) == [
        ReasonGroup(2, digit.format("…", "…"), 2, "iccid '89883030000100002300'"),
        ReasonGroup(1, "is not a status", 3, "status 'on'"),
    ]
    assert invalid(rejected.head(1))[0].reason == digit.format(0, 9), "alone it keeps its numbers"


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("SIM 10000210: it is final", "it is final"),
        ("endpoint 20000394: there is no SIM", "there is no SIM"),
        ("ICCID 8988303000010000001 is not here", "ICCID … is not here"),
        ("asks for activated, but row 274 for another status", "asks for activated, but row … for another status"),
        ("at most 20 digits", "at most 20 digits"),
    ],
)
def test_ids_are_left_out_of_a_reason(reason: str, said: str) -> None:
    assert without_ids(reason) == said
