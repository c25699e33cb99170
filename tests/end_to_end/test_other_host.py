"""A run seen and continued from another host: a home of its own, the same ledger in PostgreSQL, the same store."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from simtandem.cli import retry
from simtandem.cli.report import write_page
from simtandem.cli.verify import show_proof
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.errors import InputError, StoreError
from simtandem.ledger.records import RunState
from simtandem.ledger.store import Ledger
from simtandem.runs import undo
from tests.end_to_end.sending_host import Order, planned, result, send
from tests.simtandem.ledger.conftest import new_schema, postgres_server

__all__ = ["new_schema", "postgres_server"]


@dataclass
class Hosts:
    """Hosts of one ledger and one store. `be` has this process act as one of them."""

    folder: Path
    site: Emulator
    ledger_url: str
    monkeypatch: pytest.MonkeyPatch
    started: "list[Popen[str]]" = field(default_factory=list)

    def start(self, name: str, sims: int, **order: object) -> "Popen[str]":
        file = self.folder / "devices.csv"
        first = min(self.site.fleet.sims)
        file.write_text("sim_id\n" + "".join(f"{first + each}\n" for each in range(sims)))
        values = {"calls": 1000, "store": f"file://{self.folder}/store", "clock_s": 300.0 * len(self.started), **order}
        home = str(self.folder / name)
        self.started.append(Order(str(file), home, self.ledger_url, self.site.url, **values).start())  # type: ignore[arg-type]
        return self.started[-1]

    def be(self, name: str) -> None:
        values = {
            "HOME": self.folder / name,
            "LEDGER_URL": self.ledger_url,
            "STORE": f"file://{self.folder}/store",
            "EMNIFY_URL": self.site.url,
        }
        for key, value in values.items():
            self.monkeypatch.setenv(f"SIMTANDEM_{key}", str(value))

    def report(self, name: str, run_id: str) -> bytes:
        self.be(name)
        write_page(run_id, as_json=False)
        return (self.folder / name / "runs" / run_id / "report.html").read_bytes()


@pytest.fixture
def hosts(
    tmp_path: Path, carrier: Emulator, new_schema: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hosts]:
    carrier.reset()
    carrier.refill([Group(40)])
    carrier.configure(latency_s=0.03)
    made = Hosts(tmp_path, carrier, new_schema(), monkeypatch)
    Ledger.open(made.ledger_url).close()
    yield made
    for each in made.started:
        each.kill()
        if each.stdout and not each.stdout.closed:
            each.communicate()
    carrier.reset()


def sent(hosts: Hosts, some: int) -> None:
    while hosts.site.stats()["sim_patches"] < some:
        time.sleep(0.02)


def test_another_host_shows_and_proves_the_same_and_undoes_nothing_that_still_sends(
    hosts: Hosts, capsys: pytest.CaptureFixture[str]
) -> None:
    one = hosts.start("one", 40)
    planned(one)
    send(one)
    sent(hosts, 5)
    hosts.be("other")
    with pytest.raises(InputError, match=r"is (sending|under way)"):
        undo.named("latest")
    with pytest.raises(InputError, match=r"is (sending|under way)"):
        retry.open_rows("latest")
    run_id = str(result(one)["run"])
    assert hosts.report("one", run_id) == hosts.report("other", run_id)
    proofs = []
    for name in ("one", "other"):
        hosts.be(name)
        capsys.readouterr()
        assert show_proof(run_id, None, as_json=False) == 0
        proofs.append(capsys.readouterr().out)
    assert proofs[0] == proofs[1]
    files = {path.name for path in (hosts.folder / "other" / "runs" / run_id).iterdir()}
    assert files >= {"plan.csv", "results.csv", "report.html", "work"}
    assert undo.named(run_id).run_id == run_id, "once it has ended"

    _tamper(hosts.folder / "store", b"row,")
    assert show_proof(run_id, None, as_json=True) == 1
    problems = [str(each["text"]) for each in _findings(capsys)]
    assert any(each.startswith("stored file") and "its SHA-256 is another one" in each for each in problems)
    assert show_proof(run_id, None, as_json=True, restore=True) == 0, "this home has them as they were"

    (hosts.folder / "store").rename(hosts.folder / "away")
    capsys.readouterr()
    assert show_proof(run_id, None, as_json=True) == 1
    (alone,) = _findings(capsys)
    assert "is not the one with this ledger's files: it is not mounted" in str(alone["text"])
    with pytest.raises(StoreError, match="Mount it on this host"):
        show_proof(run_id, None, as_json=True, restore=True)
    assert not (hosts.folder / "store").exists()


def test_what_a_killed_host_left_is_retried_on_another_one(hosts: Hosts) -> None:
    one = hosts.start("one", 40)
    planned(one)
    send(one)
    sent(hosts, 10)
    one.kill()
    one.wait()
    with Ledger.open(hosts.ledger_url) as ledger:
        run_id = ledger.runs(1)[0].record.run_id
    other = hosts.start("other", 40, retry_of=run_id)
    planned(other)
    send(other)
    assert result(other)["exit_code"] == 0
    assert set(hosts.site.fleet.state_counts()) == {"Activated/Enabled"}
    stats = hosts.site.stats()
    assert (stats["sim_patches"], stats["needless_sim_patches"]) == (40, 0)


def test_what_a_killed_host_left_is_continued_by_one_other_as_the_same_run(hosts: Hosts) -> None:
    flow_run = "0f8fad5b-d9cb-469f-a165-70867728950e"
    one = hosts.start("one", 40, flow_run=flow_run)
    planned(one)
    send(one)
    sent(hosts, 15)
    one.kill()
    one.wait()
    others = [hosts.start(name, 40, flow_run=flow_run) for name in ("other", "third")]
    with ThreadPoolExecutor() as both:
        waited, done = sorted(both.map(_carried_out, others), key=lambda each: "outcomes" in each)
    with Ledger.open(hosts.ledger_url) as ledger:
        runs = {each.record.run_id: each for each in ledger.runs()}
        states = [each.state for each in ledger.states(done["run"])]
    assert (done["exit_code"], done["outcomes"]) == (0, {"applied": 80})
    assert states.count(RunState.TAKEN_OVER) == 1
    assert runs[done["run"]].state is RunState.FINISHED
    assert (len(runs), waited) == (1, {"run": done["run"], "ended_elsewhere": RunState.FINISHED})
    stats = hosts.site.stats()
    assert (stats["sim_patches_repeated"], stats["needless_sim_patches"]) == ({}, 0)
    hosts.be("third")
    assert b"continued on" in hosts.report("third", done["run"])


def _carried_out(host: "Popen[str]") -> dict[str, Any]:
    planned(host)
    send(host)
    return result(host)


def _tamper(store: Path, begins: bytes) -> None:
    for path in store.rglob("*"):
        if path.is_file() and path.read_bytes().removeprefix(b"\xef\xbb\xbf").startswith(begins):
            path.write_bytes(path.read_bytes()[:-1] + b"?")


def _findings(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["runs"][0]["findings"]
    return told
