"""What is shown of a plan before anything is sent."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.cli.plan_output import PlanView, show_plan
from simtandem.domain.plan_sample import Sample, Symbol, legend
from simtandem.domain.reason_groups import ReasonGroup
from simtandem.domain.safety import for_good
from simtandem.reports.run_document import PlanCounts
from tests.simtandem.cli.paper import paper

SUMMARY = "Activate 3 (3 newly billed), suspend 0, factory test 0 · 1 already in target state · 2 refused"
FIRST = Sample(Symbol.BILLED, 2, "SIM 10000001", "Issued+Disabled", "Activated+Enabled", 1201)


def view(
    *,
    notes: Sequence[str] = (),
    samples: Sequence[Sample] = (),
    refused: Sequence[ReasonGroup] = (),
    invalid: Sequence[ReasonGroup] = (),
    refusal: str = "",
    good: int = 0,
    **plan: int,
) -> PlanView:
    usual: dict[str, Any] = {
        "devices": 8,
        "sim_changes": 3,
        "endpoint_changes": 2,
        "unchanged": 1,
        "refused": 2,
        "newly_billed": 3,
        "owner_changes": 0,
        "calls": 2345,
        "eta_s": 600.0,
        "summary": SUMMARY,
    }
    return PlanView(
        "d1g3st",
        "fleet.csv",
        1234,
        0,
        cast("PlanCounts", {**usual, **plan}),
        never_back=for_good(good, EMNIFY),
        legend=legend(EMNIFY),
        notes=notes,
        samples=samples,
        refused_for=refused,
        invalid_for=invalid,
        refusal=refusal,
    )


def shown(view: PlanView, *, width: int = 120) -> str:
    out, printed = paper(width=width)
    show_plan(out, view)
    return printed.getvalue()


def test_a_plan_begins_with_what_it_will_do_and_has_counts_notes_and_what_the_gate_says() -> None:
    text = shown(view(notes=["read as text"], refusal="too many"))
    assert text.split("\n")[1:3] == ["Plan d1g3st  for fleet.csv", SUMMARY]
    for words in ("1,234  rows", "3  SIMs to change", "at least 10 min 00 s", "read as text", "too many"):
        assert words in text


def test_calls_that_are_the_least_are_shown_as_such() -> None:
    assert "2,345  calls, at least 10 min 00 s" in shown(view())
    assert "2,345  calls or more, at least 10 min 00 s" in shown(view(calls_at_least=True))


@pytest.mark.parametrize(("count", "named"), [(0, False), (1200, True)])
def test_a_plan_names_owners_only_where_some_change(count: int, named: bool) -> None:
    text = shown(view(owner_changes=count))
    assert ("1,200  SIMs among them get another owner" in text) is named
    assert ("owner" in text) is named


def test_what_goes_for_good_is_counted() -> None:
    assert "2  SIMs would be newly billed permanently: nothing goes back to Issued" in shown(view(good=2))
    assert "permanently" not in shown(view())


@pytest.mark.parametrize("width", [80, 120])
def test_a_sample_fits_a_line_with_its_symbol_device_states_and_how_many_more(width: int) -> None:
    text = shown(view(samples=[FIRST]), width=width)
    [line] = [line for line in text.splitlines() if "10000001" in line]
    assert line.split() == ["+", "SIM", "10000001", "Issued+Disabled", "→", "Activated+Enabled", "and", "1,200", "more"]
    assert "+ billed from now, ~ changed, - no longer billed. Every row: plan.csv" in text


def test_only_some_kinds_of_change_are_shown_and_the_others_counted() -> None:
    kinds = [Sample(Symbol.CHANGED, row, f"SIM {row}", "on", f"off {row}", 3) for row in range(2, 12)]
    text = shown(view(samples=kinds))
    assert "SIM 9" in text
    assert "SIM 10" not in text
    assert "6 devices in other ways." in text


def test_rows_left_out_are_grouped_by_reason_with_a_count_and_one_example() -> None:
    text = shown(
        view(
            refused=[ReasonGroup(1200, "it is final", 7, "SIM 10000007")],
            invalid=[ReasonGroup(3, "is not a status", 9, "status 'on'")],
        )
    )
    for words in ("1,200 refused", "it is final  (row 7: SIM 10000007)", "3 invalid", "(row 9: status 'on')"):
        assert words in text


def test_only_some_reasons_are_shown_and_the_other_rows_counted() -> None:
    text = shown(view(refused=[ReasonGroup(2, f"reason {row}", row, "") for row in range(2, 12)]))
    assert "20 refused" in text
    assert "reason 7" in text
    assert "reason 8" not in text
    assert "8  for other reasons: see plan.csv" in text


def test_what_stands_in_a_file_is_never_taken_as_markup() -> None:
    groups = [ReasonGroup(1, "is [b]no[/b] number", 2, "sim_id '[red]x[/red]'")]
    text = shown(view(notes=["[bold]note[/bold]"], invalid=groups, refusal="[i]stop[/i]"))
    for words in ("[bold]note[/bold]", "[red]x[/red]", "[b]no[/b]", "[i]stop[/i]"):
        assert words in text


def test_endpoints_are_counted_where_the_carrier_has_them() -> None:
    assert "0  endpoints to change" in shown(view(endpoint_changes=0))
    assert "endpoints" not in shown(replace(view(endpoint_changes=0), has_endpoints=False))
