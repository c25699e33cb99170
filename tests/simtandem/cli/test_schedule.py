import json
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from schemas.statuses import Target
from simtandem.cli import schedule
from simtandem.errors import InputError
from simtandem.inbox.due_runs import due_runs
from simtandem.ledger.schedule_records import ScheduleState
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import load

ONE, TWO = "8988303000000000011", "8988303000000000012"
SOON, LATER = "2027-03-06 06:00", "2027-03-08 06:00"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SIMTANDEM_TIMEZONE", "Europe/Berlin")
    monkeypatch.setattr(Ledger, "open", _at_a_fixed_time(Ledger.open))


def _at_a_fixed_time(opening: Any) -> Any:
    from datetime import UTC, datetime  # noqa: PLC0415

    return partial(opening, clock=lambda: datetime(2027, 3, 1, tzinfo=UTC))


@pytest.fixture
def csv(tmp_path: Path) -> Any:
    def make(*rows: str, header: str = "iccid,status", name: str = "list.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join([header, *rows]) + "\n")
        return path

    return make


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_file_is_scheduled_for_a_moment_in_the_configured_zone(csv: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert schedule.add(csv(ONE, TWO, header="iccid"), SOON, Target.SUSPENDED, as_json=True) == 0
    (made,) = said(capsys)["schedules"]
    assert made["effective_at"] == "2027-03-06T06:00:00+01:00"
    assert made["devices"] == {"suspended": 2}
    assert schedule.show_schedules(everything=False, as_json=True) == 0
    assert said(capsys) == [made]
    schedule.show_schedules(everything=False, as_json=False)
    shown = capsys.readouterr().out
    assert made["schedule"] in shown
    assert "2027-03-06 06:00:00" in shown
    assert "2 suspended" in shown


def test_a_row_that_says_when_keeps_its_own_time(csv: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = csv(f"{ONE},suspended,", f"{ONE},activated,{LATER}", header="iccid,status,effective_at")
    schedule.add(file, SOON, None, as_json=True)
    assert [each["effective_at"][8:10] for each in said(capsys)["schedules"]] == ["06", "08"]


def test_the_same_file_may_be_scheduled_twice(csv: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = csv(f"{ONE},activated")
    for at in (SOON, SOON):
        assert schedule.add(file, at, None, as_json=False) == 0
    capsys.readouterr()
    schedule.show_schedules(everything=False, as_json=True)
    assert len(said(capsys)) == 2


def test_without_a_time_nothing_is_scheduled(csv: Any) -> None:
    with pytest.raises(InputError, match=r"(?s)no time was given for all rows \(--at\).*Nothing was scheduled"):
        schedule.add(csv(f"{ONE},activated"), None, None, as_json=False)


def test_rows_that_can_not_be_used_are_told_and_the_others_scheduled(
    csv: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert schedule.add(csv(f"{ONE},activated", "12,activated"), SOON, None, as_json=True) == 1
    told = said(capsys)
    assert [row["row"] for row in told["rejected"]] == [3]
    assert told["schedules"][0]["rows"] == 1
    assert schedule.add(csv(f"{TWO},activated", "12,activated"), SOON, None, as_json=False) == 1
    assert "row 3, iccid '12'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("at", "why"), [("Monday", "not an ISO date"), ("2027-02-01", "days ago"), ("2027-03-28 02:30", "does not exist")]
)
def test_a_time_that_is_none_is_an_input_error(csv: Any, at: str, why: str) -> None:
    with pytest.raises(InputError, match=f"--at {at}: .*{why}.*Nothing was scheduled"):
        schedule.add(csv(f"{ONE},activated"), at, None, as_json=False)


def test_a_file_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        schedule.add(tmp_path / "none.csv", SOON, None, as_json=False)


def test_a_contradiction_is_told_at_once_with_what_to_cancel(csv: Any, capsys: pytest.CaptureFixture[str]) -> None:
    schedule.add(csv(f"{ONE},activated", name="first.csv"), SOON, None, as_json=True)
    first = said(capsys)["schedules"][0]["schedule"]
    schedule.add(csv(f"{ONE},suspended", f"{TWO},suspended", name="second.csv"), SOON, None, as_json=True)
    (warning,) = said(capsys)["warnings"]
    assert warning.startswith(f"1 rows contradict other schedules ({first})")
    assert "first.csv row 2" in warning
    schedule.add(csv(f"{ONE},suspended", name="third.csv"), LATER, None, as_json=True)
    assert said(capsys)["warnings"] == []


def test_what_is_cancelled_is_not_listed_any_more_and_never_due(csv: Any, capsys: pytest.CaptureFixture[str]) -> None:
    schedule.add(csv(f"{ONE},activated"), "now", None, as_json=True)
    ident = said(capsys)["schedules"][0]["schedule"]
    assert schedule.cancel(ident[:12], as_json=False) == 0
    assert f"Cancelled {ident}: 1 activated, list.csv." in capsys.readouterr().out
    schedule.show_schedules(everything=False, as_json=False)
    assert "Nothing is scheduled." in capsys.readouterr().out
    schedule.show_schedules(everything=True, as_json=True)
    assert [each["state"] for each in said(capsys)] == ["cancelled"]
    with pytest.raises(InputError, match="is cancelled already"):
        schedule.cancel(ident, as_json=False)
    settings = load()
    with closing(Ledger.open(settings.ledger())) as ledger, due_runs(Schedules(ledger), settings) as work:
        assert work is not None
        assert work.begin() is None


def test_what_is_being_applied_can_not_be_cancelled_what_was_killed_can(
    csv: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule.add(csv(f"{ONE},activated"), "now", None, as_json=True)
    ident = said(capsys)["schedules"][0]["schedule"]
    settings = load()
    with closing(Ledger.open(settings.ledger())) as ledger, due_runs(Schedules(ledger), settings) as work:
        assert work is not None
        assert work.begin() is not None
        with pytest.raises(InputError, match="is being applied by run"):
            schedule.cancel(ident, as_json=False)
    assert schedule.cancel(ident, as_json=True) == 0
    assert said(capsys)["state"] == ScheduleState.CANCELLED
