"""The lines that show what a plan changes."""

from schemas.statuses import EndpointStatus, SimStatus, Target
from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.plan_sample import Sample, Symbol, legend, samples
from tests.simtandem.model_fleet import device, wishes
from tests.simtandem.planned_rows import plan_for

ON = (SimStatus.ACTIVATED, EndpointStatus.ENABLED)
ISSUED = (SimStatus.ISSUED, EndpointStatus.DISABLED)


def test_each_kind_of_change_is_shown_once_with_its_first_device_and_what_it_costs() -> None:
    plan = plan_for(
        wishes(
            (2, "1", None, None, Target.SUSPENDED),
            (3, "2", None, None, Target.ACTIVATED),
            (4, "3", None, None, Target.ACTIVATED),
            (5, "4", None, None, Target.ACTIVATED),
            (6, "5", None, None, Target.ACTIVATED),
            (7, "9", None, None, Target.ACTIVATED),
        ),
        device(1, *ON),
        device(2, *ISSUED),
        device(3, *ISSUED),
        device(4, SimStatus.ACTIVATED, EndpointStatus.DISABLED),
        device(5, *ON),
    )
    assert samples(plan, EMNIFY) == [
        Sample(Symbol.BILLED, 3, "SIM 2", "Issued+Disabled", "Activated+Enabled", 2),
        Sample(Symbol.CHANGED, 5, "SIM 4", "Activated+Disabled", "Activated+Enabled", 1),
        Sample(Symbol.NOT_BILLED, 2, "SIM 1", "Activated+Enabled", "Suspended+Disabled", 1),
    ]


def test_a_plan_without_changes_has_none() -> None:
    assert samples(plan_for(wishes((2, "1", None, None, Target.ACTIVATED)), device(1, *ON)), EMNIFY) == []


def test_the_legend_says_no_more_of_the_bill_than_is_known() -> None:
    assert legend(EMNIFY) == "+ billed from now, ~ changed, - no longer billed"
    assert legend(IOT_ACCELERATOR) == "+ newly ACTIVE, ~ changed, - no longer ACTIVE; what that costs is the contract's"
