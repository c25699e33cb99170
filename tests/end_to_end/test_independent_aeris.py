"""Both of Aeris's platforms on servers that share nothing with simtandem's emulators: no change is asked for twice."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.conftest import PrefectServer
from tests.end_to_end.independent_aeris import (
    Fault,
    Got,
    IndependentAerAdmin,
    IndependentIotAccelerator,
    Platform,
)
from tests.end_to_end.operator_desk import Desk, Done

pytestmark = pytest.mark.timeout(300)
HOSTILE = '=HYPERLINK("http://x","y")</td><script>alert(1)</script>\x1b[31m'
Sit = Callable[[Platform], Desk]


def iccids(count: int, first: str = "8918501506") -> list[str]:
    return [f"{first}{number:010}" for number in range(1, count + 1)]


@pytest.fixture
def sit(tmp_path: Path, prefect_server: PrefectServer) -> Iterator[Sit]:
    made: list[Platform] = []

    def at(platform: Platform) -> Desk:
        made.append(platform)
        desk = Desk(tmp_path / "desk", platform, prefect_server.home)
        del desk.variables["SIMTANDEM_EMNIFY_URL"], desk.variables["SIMTANDEM_EMNIFY_TOKEN"]
        if isinstance(platform, IndependentAerAdmin | IndependentIotAccelerator):
            desk.variables |= platform.variables()
        return desk

    yield at
    for platform in made:
        platform.close()


def list_of(desk: Desk, *ids: str) -> Path:
    path = desk.folder / "list.csv"
    path.write_text("\n".join(["iccid", *ids]) + "\n")
    return path


def suspend(desk: Desk, *ids: str) -> Done:
    return desk.run("apply", list_of(desk, *ids), "--to", "suspended", "--yes", "--accept-large", "--json")


def add_up(done: Done) -> dict[str, int]:
    document = done.document()
    verdicts: dict[str, int] = document["verdicts"]
    assert sum(verdicts.values()) == document["input"]["rows"]
    return verdicts


def rows_of(desk: Desk) -> dict[str, dict[str, str]]:
    """The lines of the newest run's results, by ICCID."""
    with (desk.run_folders()[-1] / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["iccid"].removeprefix("'"): row for row in csv.DictReader(file)}


def hold_no(desk: Desk, *secrets: str) -> None:
    files = [each for each in desk.home.rglob("*") if each.is_file()]
    assert [str(each) for each in files for secret in secrets if secret.encode() in each.read_bytes()] == []
    assert [secret for said in desk.said for secret in secrets if secret in said] == []


def killing(desk: Desk, platform: Platform, at: Callable[[Got], bool], *ids: str) -> None:
    """An `apply` that is killed as soon as the platform has such a call."""
    running = desk.start("apply", list_of(desk, *ids), "--to", "suspended", "--yes", "--accept-large")
    platform.on_call = lambda got: running.kill() if at(got) else None
    desk_err = running.communicate(timeout=120)[1]
    platform.on_call = lambda got: None
    assert running.returncode == -9, desk_err


def test_aeradmin_with_every_fault_changes_each_sim_once_and_keeps_its_key(sit: Sit) -> None:
    ids = iccids(16)
    aeradmin = IndependentAerAdmin(dict.fromkeys(ids, "Bill"))
    aeradmin.said = HOSTILE
    page, retry_after = b"<html>edge</html>", {"Retry-After": "1"}
    befalls: list[dict[str, Any]] = [
        {"status": 503},
        {"status": 500, "carried_out": True},
        {"status": 502, "body": page},
        {"status": 200, "body": page, "carried_out": True},
        {},
        {"carried_out": True},
        {"status": 429},
        {"status": 429, "headers": retry_after},
        {"half": True},
        {"status": 400, "body": aeradmin.key.encode()},
        {"status": 200, "body": b'{"resultCode": "none"}'},
    ]
    for iccid, fault in zip(ids, befalls, strict=False):
        aeradmin.faults.append(Fault(f"PUT .*{iccid}", **fault))
    read_faults: list[dict[str, Any]] = [{}, {"status": 503}, {"status": 200, "body": page}, {"status": 429}]
    for iccid, fault in zip(ids[len(befalls) :], read_faults, strict=False):
        aeradmin.faults.append(Fault(f"details .*{iccid}", **fault))
    desk = sit(aeradmin)
    first = suspend(desk, *ids)
    assert first.code == 1
    assert add_up(first)["in_sync"] >= 11
    retried = desk.run("retry", "latest", "--yes", "--accept-large", "--json")
    assert (retried.code, set(aeradmin.states.values())) == (0, {"Suspend"})
    assert Counter(aeradmin.effects) == {(iccid, "Suspend"): 1 for iccid in ids}
    answered = Counter(str(got) for got in aeradmin.changes() if got.status == 200 and got.carried_out)
    assert max(answered.values()) == 1
    hold_no(desk, aeradmin.key)
    for report in desk.home.glob("runs/*/report.html"):
        assert "<script>alert" not in report.read_text(encoding="utf-8")
    assert desk.run("verify").code == 0


def test_a_key_that_ends_stops_the_run_and_with_another_it_goes_on(sit: Sit) -> None:
    ids = iccids(6)
    aeradmin = IndependentAerAdmin(dict.fromkeys(ids, "Bill"))
    desk = sit(aeradmin)
    old = aeradmin.key

    def ends(_got: Got) -> None:
        if len(aeradmin.effects) >= 3:
            aeradmin.key = "another-Kx-hush"

    aeradmin.on_call = ends
    stopped = suspend(desk, *ids)
    assert stopped.code == 4
    assert "AerPort" in stopped.err
    refused = [got for got in aeradmin.calls if got.status == 401]
    assert len(refused) <= 3
    assert len(aeradmin.effects) == 3
    assert "no time" not in stopped.err
    rows = rows_of(desk)
    taken = [rows[iccid] for iccid, _ in aeradmin.effects]
    assert {(row["attempts"], row["http_status"]) for row in taken} == {("1", "200")}
    assert {row["sim_outcome"] for row in taken} <= {"applied", "accepted"}
    answered = {iccid for got in refused if got.method == "PUT" for iccid in ids if iccid in got.body}
    assert {(rows[each]["sim_outcome"], rows[each]["http_status"]) for each in answered} <= {("refused", "401")}
    left = [rows[each] for each in ids if each not in answered and each not in dict(aeradmin.effects)]
    assert {(row["sim_outcome"], row["verdict"], row["attempts"]) for row in left} == {("held", "skipped", "0")}
    desk.variables["SIMTANDEM_AERADMIN_API_KEY"] = aeradmin.key
    done = suspend(desk, *ids)
    assert (done.code, add_up(done)["in_sync"]) == (0, 6)
    assert Counter(aeradmin.effects) == {(iccid, "Suspend"): 1 for iccid in ids}
    hold_no(desk, old, aeradmin.key)


@pytest.mark.parametrize("carried_out", [True, False])
def test_aeradmin_killed_in_a_change_sends_none_twice(sit: Sit, carried_out: bool) -> None:
    ids = iccids(5)
    aeradmin = IndependentAerAdmin(dict.fromkeys(ids, "Bill"), shows_after_s=1.0)
    aeradmin.faults.append(Fault(f"PUT .*{ids[2]}", carried_out=carried_out))
    desk = sit(aeradmin)
    killing(desk, aeradmin, lambda got: got.method == "PUT" and ids[2] in got.body, *ids)
    done = suspend(desk, *ids)
    assert (done.code, add_up(done)["in_sync"]) == (0, 5)
    assert Counter(aeradmin.effects) == {(iccid, "Suspend"): 1 for iccid in ids}
    listed = desk.run("reconcile", list_of(desk, *ids), "--to", "suspended", "--json")
    assert (listed.code, add_up(listed)["in_sync"]) == (0, 5)
    shown = desk.run("show", ids[0])
    assert (shown.code, f"ICCID {ids[0]}" in shown.out) == (0, True)


def test_aeradmins_plan_says_how_many_calls_its_run_makes(sit: Sit) -> None:
    ids = iccids(12)
    aeradmin = IndependentAerAdmin(dict.fromkeys(ids, "Bill"), shows_after_s=0)
    desk = sit(aeradmin)
    for to in ("suspended", "activated"):
        before = len(aeradmin.calls)
        done = desk.run("apply", list_of(desk, *ids), "--to", to, "--yes", "--accept-large", "--json")
        assert (done.code, add_up(done)["in_sync"]) == (0, 12)
        assert done.document()["plan"]["calls"] == len(aeradmin.calls) - before == 4 * 12, to


def test_the_iot_accelerators_plan_says_how_many_calls_its_run_makes(sit: Sit) -> None:
    ids = iccids(10, "9998710088")
    desk = sit(iot := IndependentIotAccelerator(dict.fromkeys(ids, "ACTIVE"), work_s=0))
    done = suspend(desk, *ids)
    assert (done.code, add_up(done)["in_sync"]) == (0, 10)
    polls = sum("/requests/REQ" in got.path for got in iot.calls)
    assert len(iot.requests) == 3, "of four SIMs each, as the settings say"
    plan = done.document()["plan"]
    assert plan["calls"] == len(iot.calls) - polls + len(iot.requests) <= len(iot.calls)
    assert plan["calls_at_least"], "how often a request is polled, nobody knows before"


def test_states_that_say_too_little_are_refused_and_the_rest_goes_on(sit: Sit) -> None:
    ids = iccids(5)
    states = dict(zip(ids, ["Bill", "Hibernating", "Bill+Suspend", "Bill+Bill"], strict=False))
    desk = sit(aeradmin := IndependentAerAdmin(states))
    done = suspend(desk, *ids)
    assert (done.code, add_up(done)["in_sync"], done.document()["verdicts"]["refused"]) == (1, 2, 3)
    assert [iccid for iccid, _ in aeradmin.effects] == [ids[0], ids[3]]
    told = (desk.run_folders()[-1] / "results.csv").read_text(encoding="utf-8-sig")
    assert "an Assigned SIM can't be suspended" in told, "1047 means Assigned"
    assert "several SIMs in different states" in told
    desk.variables["SIMTANDEM_AERADMIN_NOT_ACTIVATED"] = "refuse"
    again = desk.run("reconcile", list_of(desk, *ids), "--to", "suspended", "--json")
    assert (add_up(again)["in_sync"], again.document()["verdicts"]["refused"]) == (2, 3)
    told = (desk.run_folders()[-1] / "results.csv").read_text(encoding="utf-8-sig")
    assert "AerAdmin says 1047, not activated, and the settings refuse such SIMs" in told
    assert "Hibernating" in told, "the word is what the setting SIMTANDEM_AERADMIN_STATUS_WORDS needs"


def test_iot_accelerator_finds_a_lost_request_and_outlives_its_tokens(sit: Sit) -> None:
    ids = iccids(15, "9998710088")
    iot = IndependentIotAccelerator(dict.fromkeys(ids, "ACTIVE"), work_s=2.0, life_s=4)
    submit = "POST /iot/api/sica"
    iot.faults += [Fault(submit, carried_out=True), Fault(submit, 429), Fault(submit, 503)]
    iot.faults += [Fault("GET /dcpapi", 500, times=2), Fault("find", 503)]
    desk = sit(iot)
    first = suspend(desk, *ids)
    assert add_up(first)["in_sync"] >= 11, "what came to nothing is not sent again before it is looked for"
    if first.code:
        assert desk.run("retry", "latest", "--yes", "--accept-large", "--json").code == 0
    assert set(iot.states.values()) == {"PAUSE"}
    assert Counter(iot.asked()) == dict.fromkeys(ids, 1)
    assert iot.over == []
    audit = desk.run("audit", "--json")
    assert (audit.code, audit.document()["sims"]) == (0, 15)
    hold_no(desk, iot.password, "hush-token-")


def test_iot_accelerator_killed_before_and_after_a_ticket_sends_none_twice(sit: Sit) -> None:
    ids = iccids(12, "9998710088")
    iot = IndependentIotAccelerator(dict.fromkeys(ids, "ACTIVE"), work_s=3.0)
    iot.faults.append(Fault("POST /iot/api/sica", carried_out=True))
    desk = sit(iot)
    killing(desk, iot, lambda got: "state-changes" in got.path and len(iot.requests) == 3, *ids)
    killing(desk, iot, lambda got: got.path.endswith("/requests/find") or "/requests/REQ" in got.path, *ids)
    done = suspend(desk, *ids)
    assert (done.code, add_up(done)["in_sync"]) == (0, 12)
    assert Counter(iot.asked()) == dict.fromkeys(ids, 1)
    assert desk.run("verify").code == 0


def test_three_accounts_at_once_keep_apart(sit: Sit) -> None:
    ids = iccids(6, "891850150")  # of 19 digits, as emnify takes them too
    aeradmin = IndependentAerAdmin(dict.fromkeys(ids, "Bill"))
    desk = sit(aeradmin)
    with (
        Emulator([Group(4, SimStatus.ISSUED, EndpointStatus.DISABLED)], token="hush-eu", path_limits=False) as eu,
        Emulator([Group(6, SimStatus.ISSUED, EndpointStatus.DISABLED)], token="hush-us", path_limits=False) as us,
    ):
        _name_accounts(desk, aeradmin, eu, us)
        numbers = {"eu": desk.file(4, name="eu.csv"), "us": desk.file(6, name="us.csv")}
        files = {name: (path, "activated") for name, path in numbers.items()}
        files["aer"] = (list_of(desk, *ids), "suspended")
        at_once = {
            name: desk.start("apply", path, "--to", to, "--yes", "--accept-large", "--json", "--account", name)
            for name, (path, to) in files.items()
        }
        done = {name: desk.wait(running) for name, running in at_once.items()}
        assert {name: (each.code, add_up(each)["in_sync"]) for name, each in done.items()} == {
            "eu": (0, 4),
            "us": (0, 6),
            "aer": (0, 6),
        }
        assert {name: each.document()["account"] for name, each in done.items()} == {name: name for name in files}
        assert Counter(aeradmin.effects) == {(iccid, "Suspend"): 1 for iccid in ids}
        assert (eu.fleet.state_counts(), us.fleet.state_counts()) == (
            {"Activated/Enabled": 4},
            {"Activated/Enabled": 6},
        )
        budgets = {path.name.split("-", 1)[1].split("@")[0] for path in desk.home.glob("budget-*.sqlite")}
        assert budgets >= {"eu", "us", "aer"}
        for name, sims in (("eu", 4), ("us", 6)):
            assert desk.run("audit", "--json", "--account", name).document()["sims"] == sims
        foreign = list_of(desk, eu.fleet.sims[10_000_001].iccid, ids[0])
        for name, other in (("eu", "aer"), ("us", "aer"), ("aer", "eu and us")):
            mixed = desk.run("plan", foreign, "--to", "activated", "--account", name)
            assert (mixed.code, f"not of account {name} but of {other}, the first" in mixed.err) == (2, True)
        assert desk.run("show", ids[0]).out.rstrip().endswith("plan - --to suspended --account aer")
        hold_no(desk, aeradmin.key, "hush-eu", "hush-us")


def _name_accounts(desk: Desk, aeradmin: IndependentAerAdmin, eu: Emulator, us: Emulator) -> None:
    known = aeradmin.variables()
    section = {
        name.removeprefix("SIMTANDEM_").lower(): value
        for name, value in known.items()
        if name not in ("SIMTANDEM_CARRIER", "SIMTANDEM_AERADMIN_URL", "SIMTANDEM_AERADMIN_API_KEY")
    }
    numbers = ("aeradmin_calls_per_second", "aeradmin_shows_within_s")
    lines = [f"{name} = {value if name in numbers else repr(value)}" for name, value in section.items()]
    file = desk.home / "settings.toml"
    file.write_text(
        f'[accounts.eu]\nurl = "{eu.url}"\ntoken = "env:EU"\n[accounts.us]\nurl = "{us.url}"\ntoken = "env:US"\n'
        f'[accounts.aer]\ncarrier = "aeradmin"\nurl = "{aeradmin.url}"\ntoken = "env:AER"\n' + "\n".join(lines) + "\n"
    )
    file.chmod(0o600)
    for name in known:
        del desk.variables[name]
    desk.variables |= {"EU": "hush-eu", "US": "hush-us", "AER": aeradmin.key}
