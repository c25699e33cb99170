"""What `simtandem up` and `simtandem deploy` put on a Prefect server."""

import subprocess
from typing import Any

import pytest

from tests.operation.site import COMMAND, PATIENCE_S, Site, until

pytestmark = pytest.mark.timeout(600)


def test_everything_is_there(site: Site) -> None:
    deployments = {each["name"]: each for each in site.post("/deployments/filter")}
    assert deployments.keys() == {
        *("bulk-update", "bulk-update-urgent", "scheduled-updates", "scheduled-updates-urgent"),
        *("fleet-audit", "audit-report"),
    }
    assert site.get("/work_pools/simtandem")["type"] == "process"
    queues = site.post("/work_pools/simtandem/queues/filter")
    assert {queue["name"]: queue["concurrency_limit"] for queue in queues if queue["name"] != "default"} == {
        "urgent": 4,
        "changes": 1,
        "reading": None,
    }
    served = [queue["name"] for queue in sorted(queues, key=lambda queue: int(queue["priority"]))]
    assert served.index("urgent") < served.index("changes")
    urgent, bulk = deployments.pop("bulk-update-urgent"), deployments["bulk-update"]
    assert (urgent["flow_id"], urgent["work_queue_name"]) == (bulk["flow_id"], "urgent")
    assert urgent["parameters"] == {"params": {"urgent": True}}, "what its form offers"
    assert urgent["global_concurrency_limit"] is None
    look = deployments.pop("scheduled-updates-urgent")
    assert (look["work_queue_name"], look["parameters"]) == ("urgent", {"urgent": True})
    assert {"simtandem", "changes"} <= set(urgent["tags"])
    for name in deployments:
        deployment = site.deployment(name)
        assert deployment["description"]
        assert "simtandem" in deployment["tags"], "that is how notifications know our runs"
        assert deployment["work_queue_name"] == ("changes" if "changes" in deployment["tags"] else "reading")
        assert deployment["global_concurrency_limit"]["limit"] == 1
        assert deployment["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    automations = {each["name"]: each["enabled"] for each in site.post("/automations/filter")}
    assert automations == {
        "simtandem: end runs without heartbeat": True,
        "simtandem: notify when a run finished": True,
        "simtandem: notify when a run failed": True,
        "simtandem: notify when a run was refused": True,
        "simtandem: notify when a run was not approved": True,
        "simtandem: notify when a run has rows that are invalid, refused or not carried out": True,
        "simtandem: notify when a run was cancelled": True,
        "simtandem: notify when a run waits for approval": True,
    }


def test_the_scheduler_makes_runs_ahead_of_their_time(site: Site) -> None:
    """Beside a SQLAlchemy that Prefect does not know it makes none, and says so only in the server's log."""
    nightly = site.deployment("fleet-audit")
    [schedule] = nightly["schedules"]
    assert (schedule["active"], schedule["schedule"]["timezone"]) == (True, "UTC")

    def runs() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = site.post("/flow_runs/filter", deployments={"id": {"any_": [nightly["id"]]}})
        return found

    until(lambda: runs() != [], "runs of the nightly schedule")
    assert all(run["auto_scheduled"] and run["state"]["name"] == "Scheduled" for run in runs())
    assert {run["expected_start_time"][11:16] for run in runs()} == {"02:30"}


def test_deploying_again_keeps_what_was_changed_about_schedules(site: Site) -> None:
    before = {name: site.deployment(name) for name in ("audit-report", "scheduled-updates", "bulk-update")}
    [monthly], [inbox] = before["audit-report"]["schedules"], before["scheduled-updates"]["schedules"]
    switch(site, before["audit-report"], monthly, active=False, schedule={"cron": "0 7 2 * *", "timezone": "UTC"})
    switch(site, before["scheduled-updates"], inbox, active=not inbox["active"])
    added = {"active": False, "schedule": {"cron": "0 6 * * 1", "timezone": "Europe/Berlin"}, "slug": "mondays"}
    unnamed = {"active": False, "schedule": {"interval": 86400.0}}
    for schedule in (added, unnamed):
        answer = site.answer("POST", f"/deployments/{before['bulk-update']['id']}/schedules", [schedule])
        assert answer.status_code == 201, answer.text

    assert "bulk-update/bulk-update" in deploy(site)

    [monthly] = site.deployment("audit-report")["schedules"]
    assert (monthly["active"], monthly["schedule"]["cron"]) == (False, "0 7 2 * *")
    assert [each["active"] for each in site.deployment("scheduled-updates")["schedules"]] == [not inbox["active"]]
    kept = site.deployment("bulk-update")["schedules"]
    assert sorted((each["slug"] or "", each["active"]) for each in kept) == [("", False), ("mondays", False)]
    [mondays] = [each for each in kept if each["slug"]]
    assert mondays["schedule"]["cron"] == "0 6 * * 1"
    assert mondays["schedule"]["timezone"] == "Europe/Berlin"
    assert len(site.post("/automations/filter")) == 8, "none of them twice"
    switch(site, before["scheduled-updates"], site.deployment("scheduled-updates")["schedules"][0], active=False)


def test_a_deployment_under_its_former_name_is_taken_over_with_all_that_was_made_of_it(site: Site) -> None:
    """As an earlier version left it and an operator changed it: schedules, parameters, paused, an automation."""
    flow = site.post("/flows/", name="reconcile-inventory")["id"]
    schedules = [
        {"slug": "nightly", "active": False, "schedule": {"cron": "15 4 * * *", "timezone": "Europe/Berlin"}},
        {"slug": "noon", "active": True, "schedule": {"cron": "0 12 * * *", "timezone": "UTC"}},
    ]
    former = site.post(
        "/deployments/",
        name="reconcile-inventory",
        flow_id=flow,
        schedules=schedules,
        parameters={"depot": "7"},
        paused=True,
    )["id"]
    made = site.post(
        "/automations/",
        name="audit after a crash",
        trigger={
            "type": "event",
            "posture": "Reactive",
            "expect": ["prefect.flow-run.Crashed"],
            "match_related": {"prefect.resource.id": [f"prefect.deployment.{former}", f"prefect.flow.{flow}"]},
            "threshold": 1,
            "within": 0,
        },
        actions=[{"type": "run-deployment", "source": "selected", "deployment_id": former, "parameters": {}}],
    )["id"]
    try:
        for _ in range(2):  # the second one finds nothing to take over, and changes nothing
            deploy(site)
            audit = site.deployment("fleet-audit")
            found = {each["slug"]: (each["active"], each["schedule"]["cron"]) for each in audit["schedules"]}
            assert found == {"nightly": (False, "15 4 * * *"), "noon": (True, "0 12 * * *")}
            assert (audit["parameters"], audit["paused"]) == ({"depot": "7"}, True)
            assert site.answer("GET", "/deployments/name/reconcile-inventory/reconcile-inventory").status_code == 404
            automation = site.get(f"/automations/{made}")
            assert automation["actions"][0]["deployment_id"] == audit["id"]
            assert automation["trigger"]["match_related"]["prefect.resource.id"] == [
                f"prefect.deployment.{audit['id']}",
                f"prefect.flow.{audit['flow_id']}",
            ]
    finally:
        site.answer("DELETE", f"/automations/{made}")
        site.answer("DELETE", f"/deployments/{site.deployment('fleet-audit')['id']}")
        deploy(site)


def test_a_notification_under_its_former_name_is_renamed_and_not_made_twice(site: Site) -> None:
    made = {each["name"]: each for each in site.post("/automations/filter")}
    older = made["simtandem: notify when a run finished"] | {"name": "simtandem: tell when a run finished"}
    keys = ("name", "description", "enabled", "trigger", "actions", "actions_on_trigger", "actions_on_resolve", "tags")
    answer = site.answer("PUT", f"/automations/{older['id']}", {key: older[key] for key in keys if key in older})
    assert answer.status_code == 204, answer.text

    deploy(site)

    assert {each["name"]: each["id"] for each in site.post("/automations/filter")} == {
        name: each["id"] for name, each in made.items()
    }


def deploy(site: Site) -> str:
    """`simtandem deploy`, on the server of the site; what it prints."""
    deployed = subprocess.run(
        [COMMAND, "deploy"],
        env={**site.variables, "PREFECT_API_URL": f"{site.address}/api"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert deployed.returncode == 0, deployed.stderr
    return deployed.stdout


def switch(site: Site, deployment: dict[str, Any], which: dict[str, Any], **change: object) -> None:
    path = f"/deployments/{deployment['id']}/schedules/{which['id']}"
    assert site.answer("PATCH", path, change).status_code == 204


def test_an_address_others_reach_needs_an_auth_string(site: Site) -> None:
    for host in ("0.0.0.0", "192.0.2.7", "example.org"):  # noqa: S104 - that is the point
        refused = subprocess.run(
            [COMMAND, "up", "--host", host, "--port", "1"],
            env=site.variables | {"SIMTANDEM_HOME": f"{site.home}-other"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert refused.returncode == 2
        assert "PREFECT_SERVER_API_AUTH_STRING" in refused.stderr
        assert "Nothing was started" in refused.stderr
