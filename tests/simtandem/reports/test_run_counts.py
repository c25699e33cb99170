"""What a run changed, counted from its results."""

import pytest

from schemas.statuses import Verdict
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.registry import lifecycle_of
from simtandem.reports.run_counts import figures, newly_billed_means
from tests.simtandem.reports.conftest import MakeResults

NOT_SENT = {"sim_outcome": "held", "after": "Suspended+Enabled", "verdict": "skipped"}
OWNED = {"owners": "customer=7", "owners_before": "customer=none", "owners_after": "customer=7"}
OWNER_ALONE = {"desired": None, "before": "Activated+Enabled", "endpoint_outcome": None, **OWNED}


@pytest.mark.parametrize(
    ("row", "billed"),
    [
        ({"before": "Issued+Disabled"}, 1),
        ({"before": "Factory Test+Enabled"}, 1),
        ({"before": "Suspended+Disabled"}, 1),
        ({"before": "Activated+Disabled", "sim_outcome": None}, 0),
        ({"sim_outcome": "unchanged"}, 0),
        ({"sim_outcome": "held", "after": "Suspended+Disabled", "verdict": "skipped"}, 0),
        ({"sim_outcome": "refused", "after": "Suspended+Disabled", "verdict": "failed"}, 0),
        ({"sim_outcome": "unknown"}, 1),
        ({"sim_outcome": "failed"}, 0),
        ({"sim_outcome": "unknown", "after": "", "verdict": "unknown"}, 0),
        ({"after": "Suspended+Enabled", "verdict": "changed_by_others"}, 1),
        ({"desired": "factory_test", "before": "Issued+Disabled", "after": "Factory Test+Enabled"}, 0),
        (OWNER_ALONE, 0),
    ],
)
def test_newly_billed_is_what_became_activated_by_a_call_of_the_run(
    make_results: MakeResults, row: dict[str, object], billed: int
) -> None:
    assert figures(make_results([row]), EMNIFY).newly_billed == billed


def test_a_sim_suspended_from_activated_is_charged_no_longer(make_results: MakeResults) -> None:
    off = {"desired": "suspended", "before": "Activated+Enabled", "after": "Suspended+Disabled"}
    tested = {**off, "before": "Factory Test+Enabled"}
    assert figures(make_results([off, tested]), EMNIFY).no_longer_billed == 1


def test_a_device_that_two_rows_name_counts_once(make_results: MakeResults) -> None:
    twice = {"sim_id": "7", "endpoint_id": "8", "before": "Issued+Disabled"}
    told = figures(make_results([twice, {**twice, "attempts": 0}]), EMNIFY)
    assert (told.devices, told.sims, told.endpoints, told.newly_billed) == (1, 1, 1, 1)


def test_halves_are_counted_each_for_itself(make_results: MakeResults) -> None:
    told = figures(make_results([{}, {"sim_outcome": None}, NOT_SENT, {"endpoint_outcome": "failed"}]), EMNIFY)
    assert (told.devices, told.sims, told.endpoints) == (4, 2, 3)


def test_owners_count_where_they_changed(make_results: MakeResults) -> None:
    same = {**OWNED, "owners_before": "customer=7"}
    assert figures(make_results([OWNER_ALONE, same, {**OWNER_ALONE, "sim_outcome": "refused"}]), EMNIFY).owners == 1


def test_half_done_and_not_begun_add_up_to_what_was_skipped(make_results: MakeResults) -> None:
    never = {"sim_outcome": "held", "endpoint_outcome": "held", "after": "Suspended+Disabled", "verdict": "skipped"}
    results = make_results([NOT_SENT, never, never, {}, {**NOT_SENT, "verdict": "failed", "sim_outcome": "failed"}])
    told = figures(results, EMNIFY)
    assert (told.half_done, told.not_begun) == (1, 2)
    assert told.half_done + told.not_begun == (results["verdict"] == Verdict.SKIPPED).sum()


def test_a_run_that_changed_nothing_has_only_noughts(make_results: MakeResults) -> None:
    still = {"sim_outcome": None, "endpoint_outcome": None, "before": "Activated+Enabled"}
    told = figures(make_results([still]), EMNIFY)
    assert (told.devices, told.sims, told.newly_billed, told.no_longer_billed, told.unchanged) == (0, 0, 0, 0, 1)


def test_newly_billed_has_a_meaning_for_every_carrier() -> None:
    assert "to Activated, each once" in newly_billed_means(EMNIFY)
    nothing_known = newly_billed_means(lifecycle_of("a carrier that is no longer installed"))
    assert nothing_known == "No SIM counts as newly billed: no status that this carrier bills is known."
