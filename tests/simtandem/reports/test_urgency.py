from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import polars as pl
import pytest

from schemas.statuses import Verdict
from schemas.tables import Results, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.reports.urgency import examine, explanations, moves

MakeResults = Callable[[Sequence[Mapping[str, object]]], pl.DataFrame]


@pytest.mark.parametrize(
    ("after", "split"),
    [
        ("Activated+Disabled", "paying_but_off"),
        ("Activated+Deleted", "sim_without_endpoint"),
        ("Suspended+Enabled", "on_but_dead"),
        ("Activated+Enabled", ""),
        ("Suspended+Disabled", ""),
        ("Factory Test+Enabled", ""),
        ("Issued+Disabled", ""),
        ("", ""),
    ],
)
def test_a_pair_whose_halves_disagree_is_named(make_results: MakeResults, after: str, split: str) -> None:
    examined = examine(make_results([{"after": after, "verdict": "failed"}]), EMNIFY)

    assert examined["split"].to_list() == [split]
    assert examined["finding"].to_list() == [split or "failed"]


def test_a_charged_sim_alone_is_a_finding_only_where_devices_have_endpoints(make_results: MakeResults) -> None:
    alone = make_results([{"endpoint_id": None, "after": "Activated+no endpoint"}])
    sims = replace(
        EMNIFY,
        endpoints=(),
        endpoint_moves=frozenset(),
        goals=tuple(replace(goal, endpoint=None) for goal in EMNIFY.goals),
    )

    assert examine(alone, EMNIFY)["split"].to_list() == ["sim_without_endpoint"]
    assert examine(alone.with_columns(after=pl.lit("Activated")), sims)["split"].to_list() == [""]


def test_what_costs_money_comes_first_and_what_is_in_sync_last(make_results: MakeResults) -> None:
    rows = [{"verdict": str(verdict)} for verdict in Verdict] + [{"after": "Activated+Disabled", "verdict": "skipped"}]

    examined = examine(make_results(rows), EMNIFY)

    assert examined["finding"].to_list() == [
        "paying_but_off",
        "failed",
        "unknown",
        "changed_by_others",
        "skipped",
        "refused",
        "invalid",
        "in_sync",
    ]
    assert examined["attention"].to_list() == [True] * 7 + [False]


def test_moves_are_counted_commonest_first(make_results: MakeResults) -> None:
    results = make_results(
        [{"after": "", "verdict": "unknown"}, {}, {}, {"desired": None, "after": "", "verdict": "failed"}]
    )

    assert moves(results).rows() == [
        ("activated", "Suspended+Disabled", "Activated+Enabled", 2, 2),
        (None, "Suspended+Disabled", "", 1, 0),
        ("activated", "Suspended+Disabled", "", 1, 0),
    ]


def test_an_explanation_is_the_reason_or_else_the_error(make_results: MakeResults) -> None:
    results = make_results(
        [
            {"verdict": "failed", "error": "no answer"},
            {"verdict": "failed", "error": "no answer"},
            {"verdict": "failed", "reason": "refused", "error": "HTTP 400"},
            {"verdict": "failed"},
            {"verdict": "unknown", "error": "elsewhere"},
        ]
    )

    assert explanations(examine(results, EMNIFY), Verdict.FAILED) == [("no answer", 2), ("refused", 1)]


def test_no_rows_have_no_findings() -> None:
    assert examine(empty(Results), EMNIFY).is_empty()
    assert moves(empty(Results)).is_empty()


def test_what_is_said_of_many_devices_is_said_once_and_of_one_with_its_name(make_results: MakeResults) -> None:
    refused = [{"verdict": "refused", "reason": f"SIM {n}: an Issued SIM can't be suspended"} for n in (11, 12)]
    alone = {"verdict": "refused", "reason": "endpoint 13: there is no SIM"}
    assert explanations(examine(make_results([*refused, alone]), EMNIFY), Verdict.REFUSED) == [
        ("an Issued SIM can't be suspended", 2),
        ("endpoint 13: there is no SIM", 1),
    ]
