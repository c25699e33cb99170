"""A run waits for approval in one home and continues in another: one ledger, one store, and one of them continues."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from schemas.parameters import BulkUpdate, Mode, Wish
from schemas.statuses import EndpointStatus, SimStatus
from simtandem import progress
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.errors import InputError
from simtandem.ledger.records import RunKind, RunState
from simtandem.runs import prepare, waiting_run
from simtandem.runs.run import Run
from simtandem.runs.waiting_run import request_hash
from simtandem.settings import Settings
from tests.simtandem.ledger.conftest import new_schema, new_url, postgres_server, url

__all__ = ["new_schema", "new_url", "postgres_server", "url"]

FLOW_RUN = str(uuid4())
LIST = "sim_id\n10000001\n10000002\n"
Home = Callable[..., Settings]


@pytest.fixture
def home(tmp_path: Path, url: str) -> Home:
    """Settings of a host with a home of its own, and a folder there with the lists that a form may name."""

    def make(name: str, **given: object) -> Settings:
        lists = tmp_path / name / "lists"
        lists.mkdir(parents=True, exist_ok=True)
        values = {"ledger_url": url, "store": str(tmp_path / "store"), "emnify_token": "hush", **given}
        return Settings(home=tmp_path / name, **values)  # type: ignore[arg-type]

    return make


@asynccontextmanager
async def planned(settings: Settings, file: str = "depot.csv") -> AsyncIterator[Run]:
    """A run of the flow run, planned in that home, as a session begins it."""
    progress.install(progress.ProgressHooks())
    run = Run.begin(BulkUpdate(file=file, to=Wish.SUSPENDED, mode=Mode.APPLY), RunKind.APPLY, settings)
    try:
        waiting_run.find(run, FLOW_RUN)
        prepare.read_devices(run)
        async with run.carrier() as (carrier, _):
            await prepare.list_inventory(run, carrier)
            prepare.plan_changes(run)
        yield run
    finally:
        run.close()


def waits(run: Run) -> None:
    assert waiting_run.take(run)
    asked = {"flow_run": FLOW_RUN, "request": request_hash(run.request)}
    run.ledger.record_state(run.run_id, RunState.WAITING, asked)


async def test_what_waits_in_one_home_continues_in_another_that_does_not_have_the_list(home: Home) -> None:
    with Emulator([Group(12, SimStatus.ACTIVATED, EndpointStatus.ENABLED)], path_limits=False) as emulator:
        here = {"emnify_url": emulator.url, "emnify_token": emulator.token}
        one, other = home("one", **here), home("other", **here)
        (one.home / "lists" / "depot.csv").write_text(LIST)
        async with planned(one) as first:
            waits(first)
            digest = first.folder.plan_counts()["digest"]
        async with planned(other) as second, planned(other) as third:
            assert second.folder.plan_counts()["digest"] == digest
            assert waiting_run.moved(second) == []
            assert [waiting_run.take(second), waiting_run.take(third)] == [True, False]
            states = [each.state for each in second.ledger.states(first.run_id)]
            assert states == [RunState.PLANNED, RunState.WAITING, RunState.CONTINUED]
        with pytest.raises(InputError, match="There is no such list"):
            async with planned(other, file="other.csv"):
                pass


async def test_what_moved_since_is_shown_in_the_other_home(home: Home) -> None:
    with Emulator([Group(12, SimStatus.ACTIVATED, EndpointStatus.ENABLED)], path_limits=False) as emulator:
        here = {"emnify_url": emulator.url, "emnify_token": emulator.token}
        one = home("one", **here)
        (one.home / "lists" / "depot.csv").write_text(LIST)
        async with planned(one) as first:
            waits(first)
        emulator.refill([Group(12, SimStatus.SUSPENDED, EndpointStatus.ENABLED)])
        async with planned(home("other", **here)) as second:
            assert len(waiting_run.moved(second)) == 2


async def test_what_an_earlier_version_let_wait_continues(home: Home) -> None:
    with Emulator([Group(12, SimStatus.ACTIVATED, EndpointStatus.ENABLED)], path_limits=False) as emulator:
        one = home("one", emnify_url=emulator.url, emnify_token=emulator.token, store=None)
        (one.home / "lists" / "depot.csv").write_text(LIST)
        async with planned(one) as first:
            first.ledger.record_state(first.run_id, RunState.WAITING, {})
        note = one.home / "waiting" / f"{FLOW_RUN}.json"
        note.parent.mkdir()
        note.write_text(f'{{"run_id": "{first.run_id}"}}')
        async with planned(one) as second:
            assert waiting_run.take(second)
            assert second.ledger.run(first.run_id).state is RunState.CONTINUED
        assert not note.exists()
