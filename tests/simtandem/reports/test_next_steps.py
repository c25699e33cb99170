from collections.abc import Callable, Mapping, Sequence
from typing import cast

import polars as pl
import pytest

from schemas import own_columns
from schemas.own_columns import Places
from schemas.tables import Rejected, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.reports.left_open import offered
from simtandem.reports.next_steps import Advice, next_steps
from simtandem.reports.run_document import Document
from simtandem.reports.urgency import examine

Make = Callable[[Sequence[Mapping[str, object]]], pl.DataFrame]
MakeDocument = Callable[..., dict[str, object]]
Advise = Callable[..., list[Advice]]


@pytest.fixture
def advise(make_results: Make, make_document: MakeDocument) -> Advise:
    def make(
        rows: Sequence[Mapping[str, object]], rejected: pl.DataFrame | None = None, **facts: object
    ) -> list[Advice]:
        results = make_results(rows)
        made = make_document(results, **facts)
        document = cast("Document", made | offered(made, results, Places(own_columns.none())))
        return next_steps(document, examine(results, EMNIFY), empty(Rejected) if rejected is None else rejected)

    return make


def test_there_is_nothing_to_do_when_all_is_in_sync(advise: Advise) -> None:
    (only,) = advise([{}, {}])

    assert (only.headline, only.command) == ("Nothing to do", "simtandem undo run-1")


def test_there_is_nothing_to_do_for_an_empty_file(advise: Advise) -> None:
    (only,) = advise([])

    assert (only.headline, only.text, only.command) == ("Nothing to do", "The file names no devices.", "")


def test_rows_worth_another_try_name_the_command_and_why_they_failed(advise: Advise) -> None:
    (only,) = advise(
        [
            {"verdict": "failed", "after": "Suspended+Disabled", "error": "HTTP 503"},
            {"verdict": "failed", "after": "Suspended+Disabled", "error": "HTTP 503"},
            {"verdict": "unknown", "after": "", "error": "no answer"},
            {"verdict": "skipped", "after": "Suspended+Disabled"},
            {},
        ],
        run_id="run 1",
    )

    assert only.headline == "4 rows are in retry.csv"
    assert only.text.startswith("1 not sent, 2 failed, 1 unknown.")
    assert only.command == "simtandem retry 'run 1'"
    assert only.details == ("2 rows: HTTP 503", "1 row: no answer")


def test_the_retry_count_is_the_rows_of_the_retry_file(advise: Advise) -> None:
    failed = {"verdict": "failed", "after": "Suspended+Disabled"}
    refused = {"verdict": "refused", "after": "Issued+Disabled"}
    same = {"sim_id": "1", "endpoint_id": "2"}

    first, *_ = advise([{**failed, **same}, {**failed, **same}, refused, {"verdict": "invalid", "desired": None}])

    assert first.headline == "1 row is in retry.csv"
    assert first.text.startswith("2 failed. ")


def test_no_retry_is_advised_for_rows_that_no_run_can_change(advise: Advise) -> None:
    gone = {"verdict": "failed", "after": "Deleted+Disabled"}
    (only,) = advise([gone, gone, {}])

    assert (only.headline, only.command) == ("2 rows can't be changed from where they are", "")
    assert only.details[0].startswith("2 rows: the SIM is Deleted")


def test_a_split_pair_that_no_run_can_change_is_left_to_an_audit(advise: Advise) -> None:
    first, *_ = advise([{"verdict": "failed", "after": "Activated+Deleted"}])

    assert first.command == "simtandem audit"


def test_pairs_that_cost_money_come_first_and_name_their_rows(advise: Advise) -> None:
    split = {"verdict": "failed", "after": "Activated+Disabled"}

    first, second = advise([{"verdict": "unknown", "after": ""}, split, split])

    assert (first.headline, first.urgent) == ("Paying but off: 2 devices", True)
    assert "Each is charged this month (UTC) and every month it stays so" in first.text
    assert "A retry of this run, see below, sends what is missing." in first.text
    assert first.details == ("Rows 3 and 4.",)
    assert second.headline == "3 rows are in retry.csv"


def test_a_split_pair_that_was_not_ours_to_change_is_left_to_an_audit(advise: Advise) -> None:
    first, *_ = advise([{"verdict": "changed_by_others", "after": "Suspended+Enabled"}])

    assert (first.headline, first.command) == ("On but dead: 1 device", "simtandem audit")


def test_a_device_changed_by_others_is_to_be_compared_first(advise: Advise) -> None:
    (only,) = advise([{"verdict": "changed_by_others", "after": "Suspended+Disabled"}], file="my fleet.csv")

    assert only.headline == "1 row was changed by others or by another run"
    assert only.command == "simtandem reconcile 'my fleet.csv'"
    assert only.details == ("Row 2.",)


def test_refused_moves_tell_their_reasons(advise: Advise) -> None:
    refused = {"verdict": "refused", "after": "Issued+Disabled", "reason": "activate it first"}

    (only,) = advise([refused, refused])

    assert (only.headline, only.details) == ("2 rows were refused", ("2 rows: activate it first",))


def test_rejected_rows_name_the_cells_to_correct_and_how_many_more_there_are(advise: Advise) -> None:
    lines = [(n, "iccid", "8.98E+18", "rounded by a spreadsheet") for n in range(2, 14)]
    rejected = pl.DataFrame(lines, schema=empty(Rejected).schema, orient="row")

    (only,) = advise([{"verdict": "invalid", "desired": None, "after": ""}] * 12, rejected)

    assert only.headline == "12 rows are invalid"
    assert only.details[0] == "Row 2, column iccid: “8.98E+18”: rounded by a spreadsheet"
    assert len(only.details) == 11
    assert only.details[-1] == "and 2 more in invalid.csv"


def test_throttling_is_explained_after_all_else(advise: Advise) -> None:
    first, second = advise([{}], throttled=3)

    assert first.headline == "Nothing to do"
    assert second.headline == "3 calls rate-limited (HTTP 429)"


def test_rows_without_a_verdict_are_never_called_right(make_results: Make, make_document: MakeDocument) -> None:
    document = make_document(make_results([{}, {}]))
    document["verdicts"] = {"in_sync": 0}

    (only,) = next_steps(cast("Document", document), examine(make_results([]), EMNIFY), empty(Rejected))

    assert (only.headline, only.command) == (
        "2 rows are not known to be in sync",
        "simtandem reconcile fleet.csv",
    )


def test_rows_that_another_run_changed_name_it(advise: Advise) -> None:
    moved = "changed by simtandem (run r-2): it is Suspended+Disabled"
    row = {"verdict": "changed_by_others", "after": "Suspended+Disabled", "reason": moved}

    (only,) = advise([row, row])

    assert only.details == ("Rows 2 and 3.", f"2 rows: {moved}")
