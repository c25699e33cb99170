"""Files in the inbox, carried out by Prefect's own scheduler and workers."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.operation.site import AT_WORK, COMMAND, PATIENCE_S, Site, pasted, until

pytestmark = pytest.mark.timeout(600)
Fill = Callable[..., None]
EVERY_S = 5.0


@pytest.fixture
def second_worker(site: Site) -> Iterator[int]:
    """One more worker on the pool, started as the documents say; its process id."""
    with (site.home / "prefect" / "second-worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [COMMAND, "worker"],
            env=site.variables,
            stdout=log,
            stderr=log,
        )
    try:
        yield worker.pid
    finally:
        worker.terminate()
        try:
            worker.wait(PATIENCE_S)
        finally:
            worker.kill()


@pytest.fixture
def often(site: Site) -> Iterator[None]:
    """`scheduled-updates` every few seconds, and more than one of its runs at a time."""
    deployment = site.deployment("scheduled-updates")
    [schedule] = deployment["schedules"]
    path = f"/deployments/{deployment['id']}/schedules/{schedule['id']}"
    with two_at_a_time(site, deployment["id"]):
        change(site, path, active=True, schedule={"interval": EVERY_S})
        try:
            yield
        finally:
            change(site, path, active=False, schedule=schedule["schedule"])
            until(lambda: nothing_is_left_of(site, "scheduled-updates"), "quiet")


def nothing_is_left_of(site: Site, flow: str) -> bool:
    """Takes back what is scheduled, as often as it takes: the scheduler may just be adding more."""
    scheduled = site.runs(flow, state={"type": {"any_": ["SCHEDULED"]}})
    for run in scheduled:
        site.answer("DELETE", f"/flow_runs/{run['id']}")
    return not scheduled and not site.runs(flow, state={"type": {"any_": AT_WORK}})


@contextmanager
def two_at_a_time(site: Site, deployment: str) -> Iterator[None]:
    """Without what lets changes go one at a time: then only the ledger keeps two runs apart."""
    change(site, f"/deployments/{deployment}", concurrency_limit=2)
    change(site, "/work_pools/simtandem/queues/changes", concurrency_limit=2)
    try:
        yield
    finally:
        change(site, "/work_pools/simtandem/queues/changes", concurrency_limit=1)
        change(site, f"/deployments/{deployment}", concurrency_limit=1)


def change(site: Site, path: str, **changes: object) -> None:
    answer = site.answer("PATCH", path, changes)
    assert answer.is_success, answer.text


def at_work(site: Site) -> set[int]:
    """The workers that have a run in hand."""
    parents = set()
    for pid in site.processes("flow"):
        try:
            parents.add(int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1]))
        except OSError:  # it has ended meanwhile
            continue
    return parents


def completed(site: Site) -> int:
    return len(site.runs("scheduled-updates", state={"type": {"any_": ["COMPLETED"]}}))


def more_looks(site: Site) -> bool:
    """Whether looks end while a few are due; a worker may have begun one before there was nothing to look at."""
    before = completed(site)
    time.sleep(3 * EVERY_S)
    return completed(site) != before


def test_a_file_in_the_inbox_is_applied_once_although_two_workers_look(
    site: Site, fleet: Fill, emulator: Emulator, second_worker: int, often: None
) -> None:
    fleet(Group(12), latency_s=0.2)
    inbox = site.home / "inbox"
    stays = inbox / "kept.csv"
    stays.mkdir(parents=True)  # every look reports it, so every look is started
    [first_worker] = site.processes("worker")
    until(lambda: at_work(site) == {first_worker, second_worker}, "both workers carry out a run at the same time")
    (inbox / "depot-7.csv.part").write_text(pasted(12))
    (inbox / "depot-7.csv.part").rename(inbox / "depot-7.csv")
    until((inbox / "processed" / "depot-7.csv").exists, "the file is put away")
    looks = completed(site)
    until(lambda: completed(site) >= looks + 3, "they look again")
    stays.rmdir()
    until(lambda: not more_looks(site), "with nothing in the inbox no run is started, and none is left behind")

    assert emulator.fleet.state_counts() == {"Activated/Enabled": 12}
    stats = emulator.stats()
    assert (stats["sim_patches"], stats["sim_patches_repeated"]) == (12, {})
    assert (stats["needless_sim_patches"], stats["needless_endpoint_patches"]) == (0, 0)
    put_away = sorted(path.name for path in (inbox / "processed").iterdir())
    assert put_away == ["depot-7.csv", "depot-7.report.html", "depot-7.results.csv"]
    assert [path.name for path in inbox.iterdir() if path.is_file()] == []
    results = (inbox / "processed" / "depot-7.results.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(results) == 1 + 12
    assert site.ledger("SELECT rows, rejected FROM arrivals WHERE name = 'depot-7.csv'") == [(12, 0)]
    assert site.ledger("SELECT kind FROM runs WHERE file = 'depot-7.csv'") == [("apply",)]
    states = "SELECT state FROM schedule_events JOIN schedules USING (schedule_id) JOIN arrivals USING (arrival_id)"
    found = site.ledger(f"{states} WHERE name = ? ORDER BY number", "depot-7.csv")
    assert [state for (state,) in found] == ["scheduled", "due", "applied"]
