"""The findings of a whole fleet: counted, dated, priced, and repaired."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
from hypothesis import given, settings

from schemas.statuses import Cause, EndpointStatus, Finding, SimStatus, Target
from schemas.tables import Explained, Findings, Inventory, Managed, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.findings import (
    dated_findings,
    device_count,
    finding_counts,
    findings_of,
    repairs,
    trend,
    unmanaged,
    wasted_cost,
)
from simtandem.domain.plan import make_plan
from tests.simtandem.model_fleet import ModelFleet, device, fleets, repeats, wishes

LIFECYCLE = EMNIFY
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ACTIVATED, SUSPENDED, TEST = SimStatus.ACTIVATED, SimStatus.SUSPENDED, SimStatus.FACTORY_TEST
ENABLED, DISABLED = EndpointStatus.ENABLED, EndpointStatus.DISABLED

FLEET = ModelFleet(
    [
        device(1, ACTIVATED, ENABLED),
        device(2, ACTIVATED, DISABLED),
        device(3, SUSPENDED, ENABLED),
        device(4, ACTIVATED, None),
        device(5, None, DISABLED),
        device(6, TEST, ENABLED),
        device(7, ACTIVATED, DISABLED),
    ]
)


def managed(*rows: tuple[str, Target, datetime]) -> pl.DataFrame:
    """SIM ids, where they were put, and when."""
    whole = [(sim, None, put, EMNIFY.goal(put).sim, EMNIFY.goal(put).endpoint, at, "r", 2) for sim, put, at in rows]
    return Managed.validate(pl.DataFrame(whole, schema=empty(Managed).schema, orient="row"))


def found(put: pl.DataFrame | None = None, fleet: ModelFleet = FLEET) -> pl.DataFrame:
    inventory = Inventory.validate(fleet.inventory())
    return Findings.validate(findings_of(inventory, managed() if put is None else put, LIFECYCLE))


def test_every_kind_is_counted_and_listed() -> None:
    findings = found(managed(("1", Target.SUSPENDED, NOW), ("2", Target.ACTIVATED, NOW)))

    assert finding_counts(findings) == {
        "paying_but_off": 2,
        "on_but_dead": 1,
        "sim_without_endpoint": 1,
        "endpoint_without_sim": 1,
        "factory_test": 1,
        "drifted": 2,
    }
    assert device_count(findings) == 7, "one of them has two findings"
    assert findings.select("finding", "sim_id", "endpoint_id", "now", "expected", "charged").rows() == [
        ("paying_but_off", "2", "102", "Activated+Disabled", "", True),
        ("paying_but_off", "7", "107", "Activated+Disabled", "", True),
        ("on_but_dead", "3", "103", "Suspended+Enabled", "", False),
        ("sim_without_endpoint", "4", None, "Activated+no endpoint", "", True),
        ("endpoint_without_sim", None, "105", "no SIM+Disabled", "", False),
        ("factory_test", "6", "106", "Factory Test+Enabled", "", False),
        ("drifted", "1", "101", "Activated+Enabled", "Suspended+Disabled", True),
        ("drifted", "2", "102", "Activated+Disabled", "Activated+Enabled", True),
    ]


def test_a_clean_fleet_has_no_findings() -> None:
    findings = found(fleet=ModelFleet([device(1, ACTIVATED, ENABLED), device(2)]))

    assert findings.is_empty()
    assert set(finding_counts(findings).values()) == {0}
    assert device_count(findings) == 0
    assert repairs(findings) == {}
    assert found(fleet=ModelFleet([])).is_empty()


def test_kinds_that_no_status_repairs_have_no_repair_file() -> None:
    files = repairs(found(managed(("1", Target.SUSPENDED, NOW))))

    assert {finding: rows["status"].to_list() for finding, rows in files.items()} == {
        Finding.PAYING_BUT_OFF: ["activated", "activated"],
        Finding.ON_BUT_DEAD: ["suspended"],
        Finding.SIM_WITHOUT_ENDPOINT: ["suspended"],
        Finding.DRIFTED: ["suspended"],
    }
    assert files[Finding.PAYING_BUT_OFF].columns == ["sim_id", "endpoint_id", "iccid", "status"]


@settings(deadline=None)  # a busy machine is slow
@given(fleets())
def test_repairing_a_fleet_leaves_only_what_no_status_repairs(fleet: ModelFleet) -> None:
    for finding, rows in repairs(found(fleet=fleet)).items():
        asked = wishes(
            *[
                (row, sim, endpoint, number, Target(status))
                for row, (sim, endpoint, number, status) in enumerate(rows.iter_rows(), start=2)
            ]
        )
        plan = make_plan(asked, repeats(), fleet.inventory(), LIFECYCLE)
        assert plan["action"].to_list() == ["change"] * rows.height, finding
        fleet.apply(plan)

    assert fleet.illegal == []
    assert found(fleet=fleet)["repair"].is_null().all()


def test_the_trend_is_the_difference_to_the_audit_before() -> None:
    now = finding_counts(found())

    assert trend(now, None) is None
    assert trend(now, {"paying_but_off": 5, "factory_test": 1}) == {
        "paying_but_off": -3,
        "on_but_dead": 1,
        "sim_without_endpoint": 1,
        "endpoint_without_sim": 1,
        "factory_test": 0,
        "drifted": 0,
    }


def test_money_is_counted_once_for_each_sim_and_only_at_a_rate() -> None:
    findings = found(managed(("2", Target.SUSPENDED, NOW), ("1", Target.SUSPENDED, NOW)))

    assert wasted_cost(findings, None, "EUR") is None
    cost = wasted_cost(findings, Decimal("0.45"), "EUR")

    assert cost is not None
    assert (cost.sims, cost.per_month) == (4, Decimal("1.80"))  # SIMs 1, 2, 4 and 7
    assert cost.by_finding[Finding.PAYING_BUT_OFF] == Decimal("0.90")
    assert cost.by_finding[Finding.SIM_WITHOUT_ENDPOINT] == Decimal("0.45")
    assert cost.by_finding[Finding.DRIFTED] == Decimal("0.90")  # 1 and 2 are Activated and should not be
    assert cost.by_finding[Finding.ON_BUT_DEAD] == cost.by_finding[Finding.FACTORY_TEST] == 0
    assert "4 SIMs" in cost.basis
    assert "0.45 EUR a month" in cost.basis


def dated(
    findings: pl.DataFrame,
    put: pl.DataFrame | None = None,
    tests: dict[str, datetime] | None = None,
    explained: pl.DataFrame | None = None,
    earlier: pl.DataFrame | None = None,
) -> dict[str, tuple[datetime, str, str]]:
    """Since when, known from what, and the explanation, by SIM or endpoint id."""
    begun = pl.DataFrame(
        {"sim_id": list(tests or {}), "at": list((tests or {}).values())},
        schema={"sim_id": pl.String, "at": pl.Datetime("ms", "UTC")},
    )
    told = dated_findings(
        findings,
        LIFECYCLE,
        managed() if put is None else put,
        begun,
        empty(Explained) if explained is None else explained,
        empty(Findings) if earlier is None else earlier,
        NOW,
    )
    rows = Findings.validate(told).select("sim_id", "endpoint_id", "since", "known_from", "explanation").rows()
    assert told.drop("since", "known_from", "explanation").equals(findings.drop("since", "known_from", "explanation"))
    return {sim or endpoint: tuple(rest) for sim, endpoint, *rest in rows}  # three values


IN_TEST = ModelFleet([device(number, TEST, ENABLED) for number in (1, 2, 3, 4)])


def test_how_long_a_test_lasts_is_told_by_the_ledger_by_events_or_by_the_audits() -> None:
    findings = found(fleet=IN_TEST)
    day = timedelta(days=1)
    was = dated_table(findings, NOW - 40 * day, "an audit").filter(pl.col("sim_id").is_in(["1", "2", "3"]))

    told = dated(
        findings,
        managed(("1", Target.FACTORY_TEST, NOW - 3 * day)),
        {"1": NOW - 9 * day, "2": NOW - 5 * day},
        earlier=was,
    )

    assert told == {
        "1": (NOW - 3 * day, "the ledger", "in Factory Test for 3 days"),
        "2": (NOW - 5 * day, "an event", "in Factory Test for 5 days"),
        "3": (NOW - 40 * day, "an audit", "in Factory Test for at least 40 days"),
        "4": (NOW, "an audit", "in Factory Test for at least 0 days"),
    }


def dated_table(findings: pl.DataFrame, since: datetime, known_from: str) -> pl.DataFrame:
    """The findings as an earlier audit left them."""
    return findings.with_columns(since=pl.lit(since).cast(pl.Datetime("ms", "UTC")), known_from=pl.lit(known_from))


def test_what_an_event_once_told_is_kept_when_the_event_is_gone() -> None:
    findings = found(fleet=IN_TEST)
    was = dated_table(findings, NOW - timedelta(days=60), "an event")

    assert dated(findings, earlier=was)["2"] == (
        NOW - timedelta(days=60), "an event", "in Factory Test for 60 days"
    )  # fmt: skip


def explained(half: str, ident: str, at: datetime) -> pl.DataFrame:
    values = {
        "half": half, "ident": ident, "before": "Suspended", "after": "Activated", "since": NOW, "seen": NOW,
        "cause": Cause.SOMEBODY, "at": at, "explanation": f"{half} by API",
    }  # fmt: skip
    return Explained.validate(pl.DataFrame([values], schema=empty(Explained).schema, orient="row"))


def test_a_drifted_device_is_dated_by_the_change_that_explains_it() -> None:
    put = managed(("1", Target.SUSPENDED, NOW - timedelta(days=9)))
    findings = found(put, ModelFleet([device(1, ACTIVATED, ENABLED)]))
    day = timedelta(days=1)
    changes = pl.concat([explained("sim", "1", NOW - 3 * day), explained("endpoint", "101", NOW - 2 * day)])

    assert dated(findings, put, explained=changes)["1"] == (NOW - 2 * day, "an event", "sim by API; endpoint by API")


def test_a_device_that_was_put_right_and_drifted_again_is_dated_anew() -> None:
    put = managed(("1", Target.SUSPENDED, NOW - timedelta(days=1)))
    findings = found(put, ModelFleet([device(1, ACTIVATED, ENABLED)]))

    old = dated(findings, put, earlier=dated_table(findings, NOW - timedelta(days=2), "an event"))
    kept = dated(findings, put, earlier=dated_table(findings, NOW - timedelta(hours=2), "an event"))

    assert old["1"][:2] == (NOW, "an audit")
    assert kept["1"][:2] == (NOW - timedelta(hours=2), "an event")


def test_other_findings_are_dated_by_the_audit_that_saw_them_first() -> None:
    findings = found(fleet=ModelFleet([device(5, None, DISABLED)]))
    was = dated_table(findings, NOW - timedelta(days=2), "an audit")

    assert dated(findings, earlier=was)["105"][:2] == (NOW - timedelta(days=2), "an audit")


def test_sims_never_managed_and_sims_that_are_gone_are_counted() -> None:
    put = managed(("1", Target.ACTIVATED, NOW), ("99", Target.ACTIVATED, NOW))

    assert unmanaged(FLEET.inventory(), put) == (5, 1)
