"""What a monitoring system reads, and who else does not."""

import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from simtandem.carriers.calls_left import bounding_window
from simtandem.carriers.rate_limit import Asked, Taken
from simtandem.errors import InputError
from simtandem.ledger.call_slots import LedgerSlots
from simtandem.ledger.records import RunKind, RunRecord, RunState
from simtandem.ledger.store import Ledger
from simtandem.prefect_server.metrics import MetricsServer, RunMetrics
from simtandem.settings import Settings
from tests.free_port import free_port
from tests.simtandem.ledger.conftest import new_schema, postgres_server

__all__ = ["new_schema", "postgres_server"]

DOCUMENT = {"verdicts": {"in_sync": 3, "failed": 1}, "calls": {"total": 9, "throttled": 2}}
FORBIDDEN = ("hush", "20260131-a", "devices.csv", "grace")


def _record() -> RunRecord:
    return RunRecord(
        run_id="20260131-a",
        kind=RunKind.APPLY,
        carrier="emnify",
        carrier_host="cdn.emnify.net",
        file="devices.csv",
        sha256="e3b0",
        rows=4,
        rejected=0,
        parameters={},
        os_user="grace",
        host="elsewhere",
        pid=4711,
        started_at=datetime(2026, 1, 31, tzinfo=UTC),
    )


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in (("HOME", str(tmp_path)), ("EMNIFY_TOKEN", "hush-token-77ab"), ("CALLS", "100")):
        monkeypatch.setenv(f"SIMTANDEM_{name}", value)
    settings = Settings(metrics_port=free_port())
    with Ledger.open(settings.ledger()) as ledger:
        ledger.start_run(_record())
        ledger.record_state("20260131-a", RunState.FINISHED, {"document": DOCUMENT})
    return settings


def _read(address: str, host: str = "") -> str:
    request = urllib.request.Request(address, headers={"Host": host} if host else {})  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return str(answer.read().decode())


def _values(told: str) -> dict[tuple[str, ...], float]:
    return {
        (each.name, *each.labels.values()): each.value
        for family in text_string_to_metric_families(told)
        for each in family.samples
    }


def test_what_runs_came_to_and_what_the_rate_limit_has_left_is_told(settings: Settings) -> None:
    with MetricsServer(settings) as server:
        told = _read(server.address)
    values = _values(told)
    assert values["simtandem_devices_total", "default", "in_sync"] == 3
    assert values["simtandem_calls_total", "default"] == 9
    assert values["simtandem_throttled_total", "default"] == 2
    assert values["simtandem_runs", "apply", "finished"] == 1
    assert values["simtandem_calls_left", "default"] == values["simtandem_calls_allowed", "default"] == 95
    assert values["simtandem_ledger_readable",] == 1
    assert values["simtandem_ledger_bytes",] > 10_000
    assert [each for each in FORBIDDEN if each in told] == [], "no secret and no id is in them"


async def test_whose_calls_fill_the_rate_limit_is_counted_where_hosts_share_the_ledger(
    settings: Settings, new_schema: Callable[[], str]
) -> None:
    shared = settings.model_copy(update={"ledger_url": SecretStr(new_schema())})
    window = bounding_window(shared)
    with Ledger.open(shared.ledger()) as ledger:
        ledger.start_run(_record())
        with closing(LedgerSlots(ledger.database, shared.slots_pool, "20260131-a", at_most_s=5)) as slots:
            for _ in range(2):
                assert isinstance(await slots.take(Asked((window,)), lambda: False), Taken)
    with MetricsServer(shared) as server:
        told = _read(server.address)
    assert _values(told)["simtandem_calls_held", "default", "elsewhere", "apply"] == 2
    assert [each for each in FORBIDDEN if each in told] == []


def test_pages_elsewhere_and_other_paths_get_nothing(settings: Settings) -> None:
    with MetricsServer(settings) as server:
        for address, host in ((server.address, "evil.example"), (server.address + "/x", ""), (server.address[:-8], "")):
            with pytest.raises(urllib.error.HTTPError) as refused:
                _read(address, host)
            assert refused.value.code == 404
            refused.value.close()
        assert "127.0.0.1" in server.address


def test_a_ledger_that_can_not_be_read_is_a_metric_and_no_error(settings: Settings, tmp_path: Path) -> None:
    now = [0.0]
    metrics = RunMetrics(settings, lambda: now[0])
    assert {each.name: each for each in metrics.collect()}["simtandem_ledger_readable"].samples[0].value == 1
    for part in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"):
        (tmp_path / part).unlink(missing_ok=True)
    (tmp_path / "ledger.sqlite").write_bytes(b"no database" * 1000)
    read = {each.name: each for each in metrics.collect()}
    assert read["simtandem_ledger_readable"].samples[0].value == 1, "it is read every ten seconds"
    now[0] = 11.0
    read = {each.name: each for each in metrics.collect()}
    assert read["simtandem_ledger_readable"].samples[0].value == 0
    assert read["simtandem_calls"].samples[0].value == 9, "and what was counted stands"


def test_a_port_that_is_taken_is_named(settings: Settings) -> None:
    with MetricsServer(settings), pytest.raises(InputError, match="SIMTANDEM_METRICS_PORT"):
        MetricsServer(settings)
