"""The one sentence that says what a plan will do."""

from decimal import Decimal

import pytest

from schemas.statuses import EndpointStatus, SimStatus, Target
from simtandem.carriers.aeris.aeradmin.lifecycle import AERADMIN
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.plan_summary import PlanSummary, sentence, summary
from tests.simtandem.model_fleet import device, wishes
from tests.simtandem.planned_rows import plan_for


def told(**numbers: object) -> PlanSummary:
    usual = {
        "changes": {"activated": 949, "suspended": 99, "factory_test": 0},
        "newly_billed": {"activated": 949},
        "owners": 0,
        "others": 0,
        "unchanged": 53,
        "refused": 10,
        "invalid": 0,
    }
    return PlanSummary(**{**usual, **numbers})  # type: ignore[arg-type]


REST = "suspend 99, factory test 0 · 53 already in target state · 10 refused"


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (
            {"rate": Decimal("0.45"), "currency": "EUR"},
            f"Activate 949 (949 newly billed, about 427.05 EUR a month), {REST}",
        ),
        ({}, f"Activate 949 (949 newly billed), {REST}"),
        ({"rate": Decimal("0.45")}, f"Activate 949 (949 newly billed, about 427.05 a month), {REST}"),
        (
            {"rate": Decimal("0.45"), "newly_billed": {"activated": 0}},
            f"Activate 949 (0 newly billed), {REST}",
        ),
        ({"invalid": 1}, f"Activate 949 (949 newly billed), {REST} · 1 invalid row"),
        ({"invalid": 1200}, f"Activate 949 (949 newly billed), {REST} · 1,200 invalid rows"),
        ({"others": 7}, f"Activate 949 (949 newly billed), {REST.replace('test 0', 'test 0, other changes 7')}"),
        ({"owners": 7}, f"Activate 949 (949 newly billed), {REST.replace('test 0', 'test 0, change owner of 7')}"),
    ],
)
def test_the_sentence_has_directions_money_and_what_is_left(numbers: dict[str, object], said: str) -> None:
    assert sentence(told(**numbers), EMNIFY) == said


def test_another_carrier_has_its_own_words() -> None:
    numbers = told(changes={"activated": 2, "suspended": 3, "provisioned": 0}, newly_billed={"activated": 2})
    assert sentence(numbers, AERADMIN).startswith("Start billing 2 (2 newly billed), suspend 3")


def test_a_carrier_whose_charges_nobody_knows_has_no_word_and_no_price_of_them() -> None:
    numbers = told(changes={"activated": 20, "suspended": 3}, newly_billed={"activated": 20}, rate=Decimal("0.45"))
    assert sentence(numbers, IOT_ACCELERATOR).startswith("Activate 20, pause 3, deactivate 0 · ")
    none = plan_for(wishes(), device(1, SimStatus.ISSUED, EndpointStatus.DISABLED))
    assert summary(none, IOT_ACCELERATOR, invalid=0, rate=Decimal("0.45")).monthly_cost is None


def test_the_numbers_are_those_of_the_plan() -> None:
    plan = plan_for(
        wishes(
            (2, "1", None, None, Target.ACTIVATED),
            (3, "2", None, None, Target.ACTIVATED),
            (4, "3", None, None, Target.ACTIVATED),
            (5, "4", None, None, Target.SUSPENDED),
            (6, "9", None, None, Target.SUSPENDED),
        ),
        device(1, SimStatus.ISSUED, EndpointStatus.DISABLED),
        device(2, SimStatus.ACTIVATED, EndpointStatus.DISABLED),
        device(3, SimStatus.ACTIVATED, EndpointStatus.ENABLED),
        device(4, SimStatus.ACTIVATED, EndpointStatus.ENABLED),
    )
    made = summary(plan, EMNIFY, invalid=2, rate=Decimal("0.50"), currency="EUR")
    assert made == PlanSummary(
        changes={"activated": 2, "suspended": 1, "factory_test": 0},
        newly_billed={"activated": 1, "suspended": 0, "factory_test": 0},
        owners=0,
        others=0,
        unchanged=1,
        refused=1,
        invalid=2,
        rate=Decimal("0.50"),
        currency="EUR",
    )
    assert made.monthly_cost == Decimal("0.50")
