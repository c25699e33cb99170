"""Files of runs that another host carried out, as the server of this home gives them out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from simtandem.ledger import flow_runs
from simtandem.ledger.flow_runs import Continued
from simtandem.ledger.records import RunRecord
from simtandem.ledger.store import Ledger
from simtandem.prefect_server.guard import Guard, Names
from simtandem.runs.run_folder import RunFolder
from simtandem.runs.shared_files import share
from simtandem.settings import Settings
from tests.simtandem.ledger.conftest import a_run, new_schema, postgres_server
from tests.simtandem.prefect_server.test_guard import CREDENTIAL, Answer, Prefect, ask, basic

__all__ = ["a_run", "new_schema", "postgres_server"]

RUN = "20260301T140000-abc123"
FLOW_RUN = "0f8fad5b-d9cb-469f-a165-70867728950e"
API = "/api/simtandem/files/"
LISTED = [{"folder": f"runs/{RUN}/", "names": ["report.html", "results.csv"]}]
Shared = Callable[[Settings], None]


@pytest.fixture
def carried_out(a_run: Callable[..., RunRecord], tmp_path: Path) -> Shared:
    """Has a run carried out on another host, with the ledger and the store of these settings."""

    def carry_out(settings: Settings) -> None:
        folder = RunFolder(tmp_path / "elsewhere" / "runs" / RUN)
        for name in ("report.html", "results.csv"):
            folder.save_bytes(name, f"{name} of another host".encode())
        folder.save("document.json", {"exit_code": 0})
        folder.save_bytes("notes.txt", b"kept for the run's own steps")
        with Ledger.open(settings.ledger()) as ledger:
            ledger.start_run(a_run(RUN))
            flow_runs.take(ledger.database, Continued(FLOW_RUN), RUN)
            share(settings, ledger, folder)

    return carry_out


@dataclass
class Server:
    """The guard of a home in which nothing was carried out."""

    home: Path
    store: Path
    guard: Guard

    async def ask(self, path: str, method: str = "GET", credential: str = CREDENTIAL) -> Answer:
        return await ask(self.guard, path, method, authorization=basic(credential))

    def has(self) -> list[str]:
        return sorted(path.name for path in self.home.rglob("runs/*/*"))


@pytest.fixture
def server(
    tmp_path: Path, new_schema: Callable[[], str], carried_out: Shared, monkeypatch: pytest.MonkeyPatch
) -> Server:
    home, store = tmp_path / "home", tmp_path / "store"
    (home / "prefect").mkdir(parents=True)
    for name, value in {"HOME": home, "STORE": store, "LEDGER_URL": new_schema()}.items():
        monkeypatch.setenv(f"SIMTANDEM_{name}", str(value))
    guard = Guard(Prefect(), CREDENTIAL, Names(), home / "prefect")
    carried_out(guard.files.others.load())
    return Server(home, store, guard)


async def test_a_file_of_another_host_is_given_out_to_who_is_logged_in(server: Server) -> None:
    for path in (f"{API}runs/{RUN}/report.html", f"{API}runs/{RUN}/", f"{API}flow-runs/{FLOW_RUN}/"):
        assert (await server.ask(path, credential="simtandem:wrong")).status == 401
    assert server.has() == [], "nothing is fetched for a stranger"
    for path in (f"{API}runs/{RUN}/", f"{API}flow-runs/{FLOW_RUN}/"):
        assert json.loads((await server.ask(path)).body) == LISTED
    ticket = (await server.ask(f"{API}runs/{RUN}/report.html", "POST")).body
    shown = await ask(server.guard, f"/simtandem/runs/{RUN}/report.html", "POST", body=f"ticket={ticket}")
    assert (shown.status, shown.body) == (200, "report.html of another host")
    assert (await server.ask(f"{API}runs/{RUN}/results.csv")).body == "results.csv of another host"
    assert server.has() == ["report.html", "results.csv"]


@pytest.mark.parametrize("name", ["work/document.json", "notes.txt", "none.csv", "../../settings.toml"])
async def test_what_a_run_keeps_for_itself_is_not_fetched(server: Server, name: str) -> None:
    assert (await server.ask(f"{API}runs/{RUN}/{name}")).status == 404
    assert server.has() == []


async def test_a_file_that_was_changed_in_the_store_is_not_given_out_and_a_sentence_says_why(server: Server) -> None:
    for path in (path for path in (server.store / "sha256").rglob("*") if path.is_file()):
        path.write_bytes(b"?" * path.stat().st_size)
    answer = await server.ask(f"{API}runs/{RUN}/results.csv")
    assert answer.status == 503
    assert "its SHA-256 is another one" in json.loads(answer.body)["detail"]
    assert server.has() == []


async def test_while_the_ledger_is_away_what_is_here_is_given_out(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.ask(f"{API}runs/{RUN}/results.csv")
    monkeypatch.setenv("SIMTANDEM_LEDGER_URL", "postgresql+psycopg://127.0.0.1:1/none")
    assert (await server.ask(f"{API}runs/{RUN}/results.csv")).body == "results.csv of another host"
    assert json.loads((await server.ask(f"{API}runs/{RUN}/")).body)[0]["names"] == ["results.csv"]
    for path in (f"runs/{RUN}/report.html", f"flow-runs/{FLOW_RUN}/"):
        assert (await server.ask(f"{API}{path}")).status == 503
