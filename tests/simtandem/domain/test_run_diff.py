from collections.abc import Mapping, Sequence

import polars as pl

from schemas.tables import Results, empty
from simtandem.domain.run_diff import by_device, differences

USUAL = {
    "desired": "activated",
    "before": "Suspended+Disabled",
    "after": "Activated+Enabled",
    "verdict": "in_sync",
    "reason": "",
    "attempts": 1,
    "error": "",
}


def results(*rows: Mapping[str, object]) -> pl.DataFrame:
    full: Sequence[Mapping[str, object]] = [{"row": row, **USUAL, **line} for row, line in enumerate(rows, 2)]
    return by_device(Results.validate(pl.DataFrame(full, schema=empty(Results).schema)))


def test_runs_that_ended_the_same_do_not_differ() -> None:
    found = differences(results({"sim_id": "1"}, {"sim_id": "2"}), results({"sim_id": "2"}, {"sim_id": "1"}))
    assert found.rows.is_empty()
    assert found.counts == {
        "in_first": 2,
        "in_second": 2,
        "in_both": 2,
        "only_in_first": 0,
        "only_in_second": 0,
        "same": 2,
        "desired_differs": 0,
        "after_differs": 0,
        "verdict_differs": 0,
    }


def test_each_fact_that_differs_is_named_and_counted() -> None:
    one = results({"sim_id": "1"}, {"sim_id": "2"}, {"sim_id": "3", "desired": None})
    other = results({"sim_id": "1", "verdict": "failed", "after": ""}, {"sim_id": "2"}, {"sim_id": "3"})
    found = differences(one, other)
    assert found.rows.select("sim_id", "where", "differs").rows() == [
        ("1", "both", "after, verdict"),
        ("3", "both", "desired"),
    ]
    assert found.rows.row(0, named=True)["verdict_first"] == "in_sync"
    assert found.rows.row(0, named=True)["verdict_second"] == "failed"
    assert [found.counts[f"{name}_differs"] for name in ("desired", "after", "verdict")] == [1, 1, 1]
    assert found.counts["same"] == 1


def test_devices_of_one_run_only_are_listed_with_the_run_that_has_them() -> None:
    found = differences(results({"sim_id": "9"}, {"sim_id": "1"}), results({"sim_id": "1"}, {"sim_id": "10"}))
    assert found.rows.select("sim_id", "where", "differs", "verdict_first", "verdict_second").rows() == [
        ("9", "first", "only in first", "in_sync", None),
        ("10", "second", "only in second", None, "in_sync"),
    ]
    assert (found.counts["only_in_first"], found.counts["only_in_second"], found.counts["after_differs"]) == (1, 1, 0)


def test_devices_without_a_sim_are_matched_by_their_endpoint() -> None:
    found = differences(results({"endpoint_id": "7"}), results({"sim_id": "7"}, {"endpoint_id": "7"}))
    assert found.counts["in_both"] == 1
    assert found.counts["only_in_second"] == 1


def test_rows_that_repeat_a_device_or_name_none_count_once_or_not_at_all() -> None:
    twice = results({"sim_id": "1"}, {"sim_id": "1"}, {"verdict": "invalid", "desired": None})
    assert differences(twice, results({"sim_id": "1"})).counts["in_first"] == 1


def test_another_owner_is_a_difference_where_owners_were_asked_for() -> None:
    asked = {"sim_id": "1", "owners": "customer_org_id=42", "owners_before": "customer_org_id=1"}
    found = differences(
        results({**asked, "owners_after": "customer_org_id=42"}),
        results({**asked, "owners_after": "customer_org_id=7"}),
    )
    assert (found.counts["after_differs"], found.counts["desired_differs"]) == (1, 0)
