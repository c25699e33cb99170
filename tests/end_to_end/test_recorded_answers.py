"""Answers that the live API was recorded giving, and odd ones, in every command: only the rows concerned suffer."""

import csv
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import PrefectServer
from tests.end_to_end.operator_desk import Desk, until
from tests.end_to_end.recorded_carrier import (
    ACTIVATED,
    DISABLED,
    ENABLED,
    ENDPOINT,
    ISSUED,
    SIM,
    SUSPENDED,
    Answer,
    Call,
    RecordedCarrier,
    refusing,
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def carrier() -> Iterator[RecordedCarrier]:
    with RecordedCarrier() as serving:
        yield serving


@pytest.fixture
def desk(tmp_path: Path, carrier: RecordedCarrier, prefect_server: PrefectServer) -> Desk:
    return Desk(tmp_path / "desk", carrier, prefect_server.home)


def reasons(document: dict[str, object], name: str = "plan") -> dict[str, str]:
    """Reasons by the row's SIM id, of a file that a run left."""
    files = document["files"]
    assert isinstance(files, dict)
    with Path(files[name]).open(encoding="utf-8-sig") as file:
        return {line["sim_id"].lstrip("'"): line["reason"] for line in csv.DictReader(file)}


@pytest.mark.parametrize("fleet", [3, 40])  # read by id, and by listing
def test_unknown_ids_cost_their_own_rows(desk: Desk, carrier: RecordedCarrier, fleet: int) -> None:
    carrier.add(fleet)
    file = desk.file([SIM + 1, SIM + 2, SIM + 999])
    planned = desk.run("plan", file, "--to", "activated", "--json")
    assert (planned.code, planned.document()["plan"]["refused"], planned.document()["plan"]["sim_changes"]) == (1, 1, 2)
    assert "is not in the carrier's inventory" in reasons(planned.document())[str(SIM + 999)]
    applied = desk.run("apply", file, "--to", "activated", "--yes", "--json").document()
    assert (applied["verdicts"]["in_sync"], applied["verdicts"]["refused"]) == (2, 1)
    compared = desk.run("reconcile", file, "--to", "activated", "--json")
    assert (compared.code, compared.document()["verdicts"]["in_sync"]) == (1, 2)


def test_an_id_that_the_carrier_refuses_to_show_costs_its_own_row_with_the_reason(
    desk: Desk, carrier: RecordedCarrier
) -> None:
    carrier.add(3)
    gone = {"error_code": 1000, "error_token": "BadRequest", "message": "no such number"}
    carrier.answers = refusing(lambda call: call.path.endswith(f"/sim/{SIM + 2}"), 400, gone)
    planned = desk.run("plan", desk.file([SIM + 2]), "--to", "activated", "--json")
    assert (planned.code, planned.document()["plan"]["refused"]) == (1, 1)
    assert "HTTP 400, code 1000: no such number" in reasons(planned.document())[str(SIM + 2)]


def test_devices_deleted_between_plan_and_send_cost_their_own_rows(desk: Desk, carrier: RecordedCarrier) -> None:
    """One endpoint before the bulk call, and one SIM before its own: each answered with 404 and code 1401."""
    carrier.add(300)

    def delete(call: object) -> None:
        if carrier.count("PATCH", "/multi") == 1:
            carrier.endpoints.pop(ENDPOINT + 7, None)
        if carrier.count("PATCH", f"/sim/{SIM + 9}"):
            carrier.sims.pop(SIM + 9, None)

    carrier.answers = delete
    done = desk.run("apply", desk.file([SIM + 1 + each for each in range(300)]), "--to", "activated", "--yes", "--json")
    told = done.document()
    assert done.code == 1
    assert told["verdicts"]["in_sync"] == 298
    assert sum(told["verdicts"].values()) == told["input"]["rows"] == 300
    assert sum(status == ACTIVATED for status in carrier.sims.values()) == 298


def test_a_write_refused_with_404_and_1601_is_not_tried_again(desk: Desk, carrier: RecordedCarrier) -> None:
    carrier.add(5)
    body = {"error_code": 1601, "error_token": "Unavailable", "message": "No IP Address available."}
    carrier.answers = refusing(lambda call: call.changes and call.path.endswith(f"/sim/{SIM + 3}"), 404, body)
    done = desk.run("apply", desk.file([SIM + 1 + each for each in range(5)]), "--to", "activated", "--yes", "--json")
    assert (done.code, done.document()["verdicts"]["in_sync"]) == (1, 4)
    assert carrier.count("PATCH", f"/sim/{SIM + 3}") == 1
    assert carrier.endpoints[ENDPOINT + 3] == DISABLED, "it went back"


def test_statuses_never_heard_of_cost_their_own_rows(desk: Desk, carrier: RecordedCarrier) -> None:
    odd: dict[int, object] = {
        SIM + 2: {"id": 9, "description": "Quarantined"},
        SIM + 3: {"id": "eyJhbGciOi" * 50},
        SIM + 5: None,
    }
    carrier.add(6)
    carrier.sims.update(odd)
    file = desk.file([SIM + 1 + each for each in range(6)])
    done = desk.run("apply", file, "--to", "activated", "--yes", "--json")
    told = done.document()
    assert (done.code, told["verdicts"]["in_sync"], told["verdicts"]["refused"]) == (1, 3, 3)
    told_of = reasons(told, "results")
    assert all("in a status that simtandem does not know: " in told_of[str(each)] for each in odd)
    assert "eyJ" not in done.out + done.err
    audited = desk.run("audit", "--json").document()
    assert (audited["sims"], audited["without_status"]) == (6, 3)
    assert audited["findings"]["drifted"] == 0


def test_statuses_as_doubles_and_answers_without_paging_are_read(desk: Desk, carrier: RecordedCarrier) -> None:
    carrier.add(4, SUSPENDED, DISABLED)
    carrier.sims[SIM + 1] = {"id": 2.0}
    take: Callable[..., tuple[int, object, dict[str, str]]] = carrier.take
    carrier.take = lambda *call: (*take(*call)[:2], {})  # type: ignore[method-assign]
    done = desk.run("apply", desk.file([SIM + 1 + each for each in range(4)]), "--to", "activated", "--yes", "--json")
    assert (done.code, done.document()["verdicts"]["in_sync"]) == (0, 4)
    assert set(carrier.endpoints.values()) == {ENABLED}


def test_filters_that_are_refused_are_done_without(desk: Desk, carrier: RecordedCarrier) -> None:
    """ICCIDs are looked for in the listing, the Activated SIMs of the fleet are counted there."""
    carrier.add(20, ACTIVATED, ENABLED)
    carrier.add(3000, ISSUED, DISABLED)
    invalid = {"error_code": 1301, "error_token": "InvalidFilter", "message": "Invalid filter"}
    carrier.answers = refusing(lambda call: "q" in call.query, 422, invalid)
    file = desk.folder / "iccids.csv"
    file.write_text("iccid\n8988303000000000001\n")
    planned = desk.run("plan", file, "--to", "suspended", "--json")
    assert (planned.code, planned.document()["plan"]["sim_changes"]) == (0, 1), planned.err


def test_endpoints_that_are_all_refused_stop_the_run_within_a_few_dozen_calls(
    desk: Desk, carrier: RecordedCarrier
) -> None:
    carrier.add(499)
    carrier.answers = refusing(lambda call: call.changes and "endpoint" in call.path, 422)
    done = desk.run("apply", desk.file([SIM + 1 + each for each in range(499)]), "--to", "activated", "--yes", "--json")
    told = done.document()
    assert done.code == 1
    assert len(carrier.calls) <= 60
    assert carrier.count("PATCH", "/multi") <= 3
    assert (told["outcomes"]["refused"], told["outcomes"]["held"]) == (10, 2 * 499 - 10)
    assert "stopped: 10 of the 10 endpoints tried in batch 1 were refused" in done.err
    assert set(carrier.sims.values()) == {ISSUED}


def test_refused_token_is_tried_by_no_command_again_until_an_operator_says_so(
    desk: Desk, carrier: RecordedCarrier
) -> None:
    carrier.add(3)
    refused = {"error_code": 1101, "error_token": "InvalidToken", "message": "Invalid token"}
    carrier.answers = refusing(lambda call: call.path.endswith("/authenticate"), 401, refused)
    file = desk.file([SIM + 1])
    first, second, third = (
        desk.run(*each, "--json") for each in (("plan", file, "--to", "activated"), ("audit",), ("audit",))
    )
    assert (first.code, second.code, third.code) == (4, 4, 4)
    assert len(carrier.calls) == 1
    assert "simtandem retry-token" in second.err
    assert carrier.token not in first.err + second.err

    carrier.answers = lambda _call: None
    assert desk.run("retry-token").code == 0
    assert desk.run("audit", "--json").code in (0, 1)


def test_ctrl_c_while_the_rate_limit_makes_it_wait_ends_soon_and_tells_what_was_sent(
    desk: Desk, carrier: RecordedCarrier
) -> None:
    carrier.add(68)
    file = desk.file([SIM + 1 + each for each in range(68)])
    running = desk.start(
        "apply", file, "--to", "activated", "--yes", "--json", SIMTANDEM_CALLS="40", SIMTANDEM_CALLS_RESERVE="0"
    )
    until(lambda: len(carrier.calls) >= 36, "all calls but those left for a look at the end")
    running.send_signal(signal.SIGINT)
    stopped_at = time.monotonic()
    done = desk.wait(running)
    told = done.document()
    activated = sum(status == ACTIVATED for status in carrier.sims.values())
    assert done.code == 130
    assert (told["verdicts"]["in_sync"], told["verdicts"]["skipped"]) == (activated, 68 - activated)
    assert 0 < activated < 40
    assert len(carrier.calls) <= 40
    assert carrier.calls[-1].at > stopped_at, "there was a place left for the look"


def test_a_run_whose_token_is_refused_on_its_way_still_tells_what_it_did(desk: Desk, carrier: RecordedCarrier) -> None:
    carrier.add(6)

    def refused_after_two(call: Call) -> Answer | None:
        over = carrier.count("PATCH", "") > 3
        return (401, {"error_code": 1101, "error_token": "Unauthorized", "message": "no"}, {}) if over else None

    carrier.answers = refused_after_two
    file = desk.file([SIM + 1 + each for each in range(6)])
    done = desk.run("apply", file, "--to", "activated", "--yes", "--json")
    told = done.document()
    assert (done.code, told["exit_code"], told["error"]) == (4, 4, "AuthenticationFailed")
    assert sum(told["verdicts"].values()) == 6
    assert told["run_id"] == desk.run_folders()[0].name
