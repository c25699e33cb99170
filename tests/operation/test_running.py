"""Runs as they are started, decided on and cancelled in Prefect's UI."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from schemas.statuses import SimStatus
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.operation.conftest import HOOK, TOKEN
from tests.operation.sinks import MailBox, Webhook
from tests.operation.site import FIRST, Site, pasted, until

pytestmark = pytest.mark.timeout(600)
Fill = Callable[..., None]
ACTIVE = Group(4, SimStatus.ACTIVATED)


def patches(emulator: Emulator) -> int:
    return sum(count for route, count in emulator.stats()["by_route"].items() if route.startswith("PATCH"))


def digest_in(text: str) -> str:
    [found] = set(re.findall(r"[Pp]lan `?([0-9a-f]{16})", text))
    return str(found)


def test_a_mistake_is_refused_before_a_run_exists(site: Site) -> None:
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"batch_size": 5000}, "maximum of 2000"),
        ({"approval_hours": 0}, "minimum of 1"),
        ({"to": "on"}, "not one of"),
        ({"mode": "go"}, "not one of"),
        ({"file": "https://me:pw@lists.test/a.csv"}, "does not match"),
        ({"prepared_run": "20260101T000000-abcdef"}, "prepared_run"),
        ({"typo": 1}, "typo"),
    ]
    for wrong, said in wrongs:
        refused = site.refused(**{"file": pasted(1), **wrong})
        assert refused.status_code == 409
        assert said in refused.text


THREE_PLANNED = (
    "Activate 3 (3 newly billed), suspend 0, factory test 0 · 0 already in target state · 0 refused · 1 invalid row. "
    "Only planned: nothing was sent."
)


def test_a_plan_shows_what_it_would_do_and_does_nothing(
    site: Site, fleet: Fill, emulator: Emulator, webhook: Webhook, mailbox: MailBox
) -> None:
    fleet(Group(3))
    run = site.begin(file=pasted(3, "activated", "junk,activated"))
    state = site.reaches(run)
    assert (state["type"], state["name"]) == ("FAILED", "Rows refused")
    assert state["message"].startswith(THREE_PLANNED)
    assert "First: row 5: sim_id 'junk'" in state["message"]
    assert site.get(f"/flow_runs/{run}")["name"] == "plan activated · 3 devices · pasted.csv"
    shown = site.artifacts(run)
    assert "| SIMs to change | 3 |" in shown["The plan"]
    assert "**Activate 3 \\(3 newly billed\\), suspend 0, factory test 0" in shown["The plan"]
    assert "Only planned" in shown["The result"]
    assert json.loads(shown["Plan by device"])[0]["row"] == 5
    assert patches(emulator) == 0

    link = f"{site.address}/v2/runs/flow-run/{run}"
    for told in told_of(run, webhook, mailbox):
        assert "a run has rows that are invalid, refused" in " ".join(told.split())
        assert "plan activated · 3 devices · pasted.csv: Rows refused" in told
        assert state["message"] in " ".join(told.split())
        assert digest_in(told) == digest_in(shown["The plan"])
        assert link in told
    assert {letter[0] for letter in mailbox.letters} == {"ops@example.org"}


def told_of(run: str, webhook: Webhook, mailbox: MailBox, times: int = 1) -> list[str]:
    """What was said about a run, in order: on the webhook, then by mail.

    Prefect sends a message again where its database was busy at the wrong moment. It tells of the same state in the
    same words, and is not another message.
    """

    def told() -> tuple[list[str], list[str]]:
        letters = [f"{subject}\n{said}" for _, subject, said in mailbox.letters]
        hooks, mails = (dict.fromkeys(text for text in texts if run in text) for texts in (webhook.told, letters))
        return list(hooks), list(mails)

    until(lambda: min(map(len, told())) >= times, f"{times} messages about {run}")
    assert [len(each) for each in told()] == [times, times]
    hooks, letters = told()
    return hooks + letters


def test_what_was_asked_for_is_sent_once_somebody_approves_it(
    site: Site, fleet: Fill, emulator: Emulator, webhook: Webhook, mailbox: MailBox
) -> None:
    fleet(Group(4))
    run = site.begin(file=pasted(4), mode="apply", ask_first=True)
    rejected = site.begin(file=pasted(3), mode="apply", ask_first=True)
    late = site.begin(file=pasted(2), mode="apply", ask_first=True, approval_hours=1)
    first = site.reaches(run, "Suspended")
    assert "Approval was asked for." in first["message"]
    assert "Activate 4 (4 newly billed)" in first["message"]
    shown = site.artifacts(run)
    assert digest_in(shown["Approval"]) == digest_in(first["message"]) == digest_in(shown["The plan"])

    until(lambda: not heartbeat_is_due(site, run), "nobody takes it for dead while it waits")
    for wrong in ({"decision": "perhaps"}, {"who": ""}, {"why": "x" * 501}):
        assert site.decide(run, **{"decision": "approve", **wrong})["status"] == "REJECT"
    assert site.state(run)["name"] == "Suspended"

    moved_sim = FIRST + 1
    emulator.change(lambda carrier: carrier.drift_sim(moved_sim, SimStatus.ACTIVATED))
    site.reaches(late, "Suspended")  # and so is the one before it: the worker has nothing else to do
    site.kill("worker")
    assert site.decide(run, "approve")["status"] == "ACCEPT"
    assert site.decide(rejected, "reject", why="wrong depot")["status"] == "ACCEPT"
    expire(site, late)

    until(lambda: site.state(run)["name"] == "Suspended" and site.state(run)["id"] != first["id"], "asked again")
    second = site.state(run)
    assert digest_in(second["message"]) != digest_in(first["message"])
    assert "Activate 4 (3 newly billed)" in second["message"]
    shown = site.artifacts(run)
    assert "1 rows moved after the plan was decided on" in shown["Approval"]
    [row] = json.loads(shown["Moved"])
    assert (row["row"], row["before"], row["after"]) == (3, "Issued+Disabled: change", "Activated+Disabled: change")

    assert site.reaches(rejected)["name"] == "Not approved"
    assert "was rejected by Ada: wrong depot. Nothing was sent." in site.state(rejected)["message"]
    assert site.reaches(late)["message"] == "The flow was paused and never resumed."
    assert site.decide(late, "approve")["status"] == "ABORT"
    assert patches(emulator) == 0

    assert site.decide(run, "approve", who="Grace")["status"] == "ACCEPT"
    done = site.reaches(run)
    assert done["name"] == "Completed", done
    assert done["message"].startswith("4 of 4 rows in sync. Plan ")
    assert emulator.fleet.state_counts() == {"Activated/Enabled": 4}
    assert emulator.stats()["sim_patches"] == 3

    assert recorded(site, "approved", digest_in(done["message"])) == 1
    assert recorded(site, "refused", digest_in(site.state(rejected)["message"])) == 1
    document = json.loads((newest_folder(site, digest_in(done["message"])) / "work" / "document.json").read_text())
    approval = {"who": "Grace", "why": "depot 7 opens", "digest": document["digest"], "identity": "self-declared"}
    assert document["approval"] == approval
    assert "Grace" in (newest_folder(site, document["digest"]) / "report.html").read_text()

    messages = told_of(run, webhook, mailbox, 3)
    assert [message.split("\n")[0].strip("*") for message in messages[:3]] == [
        "simtandem: a run waits for approval",
        "simtandem: a run waits for approval",
        "simtandem: a run finished",
    ]
    assert first["message"] in " ".join(messages[0].split())
    assert "4 of 4 rows in sync" in messages[2]
    assert not (site.home / "prefect" / "dlq").exists(), "Prefect has dropped nothing that somebody should be told"
    nothing_gives_secrets_away(site)


def test_a_variable_that_would_decide_what_is_safe_ends_the_run_with_a_sentence(
    site: Site, fleet: Fill, emulator: Emulator
) -> None:
    fleet(Group(3))
    kept = site.post("/variables/", name="simtandem_max_newly_billed", value=1_000_000)
    try:
        run = site.begin(file=pasted(3), mode="apply")
        state = site.reaches(run)
    finally:
        site.answer("DELETE", f"/variables/{kept['id']}")
    assert state["name"] == "Input unusable"
    assert "The Prefect Variable simtandem_max_newly_billed can't set SIMTANDEM_MAX_NEWLY_BILLED" in state["message"]
    assert patches(emulator) == 0


def heartbeat_is_due(site: Site, run: str) -> bool:
    """Whether Prefect will call the run crashed if it hears nothing more of it."""
    with closing(sqlite3.connect(site.home / "prefect" / "prefect.db", timeout=60)) as connection:
        query = "SELECT 1 FROM automation_bucket WHERE instr(bucketing_key, ?) AND count < 1"
        return connection.execute(query, (run,)).fetchall() != []


def recorded(site: Site, state: str, digest: str) -> int:
    """How often the ledger says so about the plan with that digest."""
    return len(site.ledger("SELECT 1 FROM run_states WHERE state = ? AND instr(detail, ?)", state, digest))


def expire(site: Site, run: str) -> None:
    """Nobody decides in time: the end of the waiting is brought forward."""
    state = site.state(run)
    details = {**state["state_details"], "pause_timeout": "2026-01-01T00:00:00Z"}
    with closing(sqlite3.connect(site.home / "prefect" / "prefect.db", timeout=60)) as connection:
        connection.execute(
            "UPDATE flow_run_state SET state_details = ? WHERE id = ?", (json.dumps(details), state["id"])
        )
        connection.commit()


def newest_folder(site: Site, digest: str) -> Any:
    plans = [path for path in (site.home / "runs").glob("*/work/document.json") if digest in path.read_text()]
    return max(plans, key=lambda path: path.stat().st_mtime_ns).parent.parent


def nothing_gives_secrets_away(site: Site) -> None:
    """Neither stands in a file of ours in plain text; Prefect keeps what is secret in a block encrypted."""
    files = [path for path in site.home.rglob("*") if path.is_file()]
    assert {"prefect.db", "server.log", "worker.log", "ledger.sqlite"} <= {path.name for path in files}
    for secret in (TOKEN, HOOK):
        assert [path for path in [*files, site.said] if secret.encode() in content(path)] == []


def content(path: Path) -> bytes:
    """What a file holds; nothing where it is gone by now."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def test_a_cancelled_run_stops_sending_and_reports_what_was_done(
    site: Site, fleet: Fill, emulator: Emulator, webhook: Webhook, mailbox: MailBox
) -> None:
    fleet(Group(200), latency_s=0.5)
    run = site.begin(file=pasted(200), mode="apply", batch_size=50)
    until(lambda: emulator.stats()["sim_patches"] >= 6, "SIMs are being changed")
    site.post(f"/flow_runs/{run}/set_state", state={"type": "CANCELLING", "name": "Cancelling"})
    state = site.reaches(run)
    sent = emulator.stats()["sim_patches"]
    assert state["name"] == "Cancelled", state
    done = emulator.fleet.state_counts()["Activated/Enabled"]
    assert 6 <= done == sent < 200
    assert f"Cancelled in Prefect: {done} in sync" in state["message"]
    assert f"Cancelled in Prefect: {done} in sync" in site.artifacts(run)["The result"]
    outcomes = site.ledger("SELECT state FROM run_states ORDER BY seq DESC LIMIT 1")
    assert outcomes == [("interrupted",)]
    assert emulator.stats()["sim_patches"] == sent, "nothing is sent any more"
    until(lambda: site.processes("flow") == [], "its process has ended")
    assert site.state(run)["message"] == state["message"], "the worker leaves it as it is"
    for told in told_of(run, webhook, mailbox):
        assert "was cancelled" in told
        assert f"Cancelled in Prefect: {done} in sync" in " ".join(told.split())


@pytest.mark.parametrize("deployment", ["bulk-update-urgent", "bulk-update"])
def test_an_urgent_run_completes_while_a_bulk_run_is_under_way(
    deployment: str, site: Site, fleet: Fill, emulator: Emulator
) -> None:
    fleet(Group(241), latency_s=0.3)  # minutes of it, for two calls at a time
    bulk = site.begin(file=pasted(240), mode="apply", batch_size=20, accept_large=True)
    until(lambda: patches(emulator) > 0, "the bulk run sends")
    stolen = f"sim_id,status\n{FIRST + 240},activated\n"
    urgent = site.begin(deployment, file=stolen, mode="apply", urgent=True, accept_large=True)
    state = site.reaches(urgent)
    assert (state["type"], site.state(bulk)["name"]) == ("COMPLETED", "Running"), state
    emulator.configure(latency_s=0.0)
    assert site.reaches(bulk)["type"] == "COMPLETED"
    assert emulator.fleet.state_counts() == {"Activated/Enabled": 241}
