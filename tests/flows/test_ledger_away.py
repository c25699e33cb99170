"""A ledger in PostgreSQL that is away when a flow run starts is waited for, and the flow run's state says so."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType

from schemas.parameters import AuditReport, BulkUpdate, Mode, Wish
from simtandem import progress
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.errors import LedgerError, LedgerUnavailable
from simtandem.ledger.store import Ledger
from simtandem.settings import load
from tests.simtandem.ledger.conftest import new_schema, postgres_server
from tests.stateful.cut_connection import CutConnection

__all__ = ["new_schema", "postgres_server"]


@pytest.fixture
def way(
    postgres_server: str, new_schema: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[CutConnection]:
    """The way to the ledger that the settings name."""
    url = new_schema()
    Ledger.open(url).close()
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    with CutConnection(parts.hostname or "127.0.0.1", parts.port or 5432) as cut:
        monkeypatch.setenv("SIMTANDEM_LEDGER_URL", parts._replace(netloc=f"{user}127.0.0.1:{cut.port}").geturl())
        yield cut


async def changed(file: Path) -> State[Any]:
    from flows.bulk_update import bulk_update  # noqa: PLC0415 - Prefect must know its server before

    params = BulkUpdate(file=str(file), to=Wish.ACTIVATED, mode=Mode.APPLY, accept_large=True)
    return await bulk_update(params, return_state=True)


async def audited() -> State[Any]:
    from flows.fleet_audit import fleet_audit  # noqa: PLC0415 - see above

    return await fleet_audit(return_state=True)


async def reported() -> State[Any]:
    from flows.audit_report import audit_report  # noqa: PLC0415 - see above

    return await audit_report(AuditReport(since=date(2026, 1, 1), until=date(2026, 1, 31)), return_state=True)


async def looked() -> State[Any]:
    from flows.scheduled_updates import scheduled_updates  # noqa: PLC0415 - see above

    return await scheduled_updates(return_state=True)


async def said_meanwhile(under_way: "asyncio.Task[State[Any]]", since: datetime) -> str:
    """What the state of a flow run that is running says, once it says anything; of those begun since."""
    its_own = FlowRunFilter(
        start_time=FlowRunFilterStartTime(after_=since),  # type: ignore[arg-type]
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])),
    )
    async with get_client() as client, asyncio.timeout(90):
        while not under_way.done():
            for each in await client.read_flow_runs(flow_run_filter=its_own):
                if each.state and each.state.message:
                    return each.state.message
            await asyncio.sleep(0.1)
    return ""


@pytest.mark.parametrize("kind", ["changes", "audit", "report", "inbox"])
async def test_a_flow_run_begins_once_the_ledger_answers(
    way: CutConnection, emulator: Emulator, tmp_path: Path, kind: str
) -> None:
    emulator.refill([Group(2)])
    file = tmp_path / "devices.csv"
    file.write_text("sim_id\n" + "".join(f"{sim}\n" for sim in emulator.fleet.sims))
    begin = {"changes": lambda: changed(file), "audit": audited, "report": reported, "inbox": looked}[kind]

    way.restart()
    since = datetime.now(UTC)
    under_way = asyncio.create_task(begin())
    told = await said_meanwhile(under_way, since)
    calls = emulator.stats()["calls"]
    way.heal()
    state = await under_way

    assert f"127.0.0.1:{way.port}" in told
    assert "can't be reached; waiting for it, 300 s at most. Nothing was sent." in told
    assert calls == 0
    assert state.is_completed(), state.message
    assert kind != "changes" or emulator.fleet.state_counts() == {"Activated/Enabled": 2}
    async with get_client() as client:
        [flow_run] = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))  # type: ignore[list-item]
        )
    assert flow_run.state
    assert flow_run.state.is_completed()


async def test_a_flow_run_whose_ledger_stays_away_ends_and_says_why(way: CutConnection) -> None:
    from tasks.ledger_wait import once_it_answers  # noqa: PLC0415 - see above

    way.restart()
    with pytest.raises(LedgerError, match=r"can't be reached.*It did not answer for 1 s\. Nothing was sent\."):
        await once_it_answers(opened, at_most_s=1.0)


async def test_an_operator_at_a_terminal_is_told_at_once(way: CutConnection) -> None:
    from tasks.ledger_wait import once_it_answers  # noqa: PLC0415 - see above

    class Terminal(progress.ProgressHooks):
        attended = True

    progress.install(Terminal())
    way.restart()
    with pytest.raises(LedgerUnavailable, match="can't be reached"):
        await once_it_answers(opened)


def opened() -> None:
    Ledger.open(load().ledger()).close()
