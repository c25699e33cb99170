import asyncio
import json
import logging
import os
import pwd
import time
from pathlib import Path

import pytest

from schemas.statuses import EndpointStatus, Outcome, SimStatus, Target
from simtandem import progress
from simtandem.carriers.emnify.client import Account, Emnify, Wire
from simtandem.carriers.protocol import Carrier, Change, Outdated, StepResult
from simtandem.emulator.server import Emulator, FaultKind, FaultRule, Group
from simtandem.errors import AuthenticationFailed, Interrupted, LedgerError
from tests.simtandem.carriers.emnify.rig import (
    FIRST_ENDPOINT,
    FIRST_SIM,
    MemoryJournal,
    asked,
    calls_to,
    endpoint_changes,
    sim_change,
)

AUTHENTICATE = "POST /api/v1/authenticate"


def account(
    home: Path, carrier: Emulator, *, token: str = "", calls: int = 2000, window_s: float = 300.0, at_once: int = 8
) -> Account:
    return Account(carrier.url, token or carrier.token, calls, window_s, at_once, home)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def sim_changes(count: int) -> list[Change]:
    return [sim_change(FIRST_SIM + number) for number in range(count)]


async def test_it_is_a_carrier(tmp_path: Path, carrier: Emulator) -> None:
    async with Emnify(account(tmp_path, carrier), MemoryJournal()) as emnify:
        as_protocol: Carrier = emnify
        assert as_protocol.name == "emnify"
        assert as_protocol.lifecycle.bulk_endpoints == 2000
        assert not as_protocol.lifecycle.move(SimStatus.ISSUED, EndpointStatus.DISABLED, Target.ACTIVATED).refusal


async def test_nothing_is_called_before_it_is_asked_something(tmp_path: Path, carrier: Emulator) -> None:
    async with Emnify(account(tmp_path, carrier), MemoryJournal()) as emnify:
        assert emnify.waiting_s() == 0
        emnify.halt()
        emnify.resume()
    assert carrier.stats()["calls"] == 0


async def test_pairs_are_found_changed_and_read_again_with_every_call_in_the_journal(
    tmp_path: Path, carrier: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    carrier.refill([Group(5)])
    journal = MemoryJournal()
    async with Emnify(account(tmp_path, carrier), journal) as emnify:
        found = await emnify.find(asked(sim_id=range(FIRST_SIM, FIRST_SIM + 5)))
        ends = await emnify.change_endpoints(endpoint_changes(carrier.fleet.endpoint_ids))
        ends += [await emnify.change_sim(change) for change in sim_changes(5)]
        after = await emnify.read(found.inventory)
        counted = await emnify.count_fleet()
    assert {end.outcome for end in ends} == {Outcome.APPLIED}
    assert set(after.drop("iccid", "sim_id", "endpoint_id").rows()) == {("Activated", "Enabled")}
    assert counted == (5, 5)
    assert len(journal.calls) == len(journal.answers) == carrier.stats()["calls"]
    assert journal.unanswered() == []
    purposes = [call.purpose for call in journal.calls]
    assert purposes == ["authenticate", "list", *["change"] * 6, "list", "list"]
    assert carrier.stats()["pair_violations"] == 0
    assert carrier.token not in caplog.text + repr(journal.lines)


async def test_wrong_token_costs_one_call_whatever_is_asked_and_by_how_many(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(5)])
    async with Emnify(account(tmp_path, carrier, token="wrong-token"), MemoryJournal()) as emnify:
        got = await asyncio.gather(
            emnify.find(asked(sim_id=[FIRST_SIM])),
            emnify.count_fleet(),
            emnify.change_endpoints(endpoint_changes([FIRST_ENDPOINT])),
            *(emnify.change_sim(change) for change in sim_changes(5)),
            return_exceptions=True,
        )
    assert {type(each) for each in got} == {AuthenticationFailed}
    assert carrier.stats()["by_route"] == {AUTHENTICATE: 1}
    assert all("wrong-token" not in str(each) for each in got)


async def test_token_is_no_part_of_how_an_account_looks(tmp_path: Path, carrier: Emulator) -> None:
    shown = account(tmp_path, carrier, token="wrong-token")
    assert "wrong-token" not in repr(shown) + str(shown)


async def test_endpoint_writes_of_two_clients_of_one_home_never_overlap(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(40)])
    carrier.configure(latency_s=0.02, overlapping_writes="refuse")
    parts = [endpoint_changes(carrier.fleet.endpoint_ids[start : start + 10]) for start in (0, 10, 20, 30)]
    async with (
        Emnify(account(tmp_path, carrier), MemoryJournal()) as one,
        Emnify(account(tmp_path, carrier), MemoryJournal()) as other,
    ):
        ends = await asyncio.gather(
            *(emnify.change_endpoints(part) for emnify, part in zip((one, other, one, other), parts, strict=True))
        )
    assert {end.outcome for part in ends for end in part} == {Outcome.APPLIED}
    assert carrier.stats()["endpoint_write_overlaps"] == 0
    assert calls_to(carrier) == {"PATCH /api/v2/endpoint/multi": 4}


async def test_two_clients_of_one_home_share_one_call_budget(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(12)])
    carrier.configure(calls=6, calls_window_s=0.2)
    changes = sim_changes(12)
    async with (
        Emnify(account(tmp_path, carrier, calls=6, window_s=0.2), MemoryJournal()) as one,
        Emnify(account(tmp_path, carrier, calls=6, window_s=0.2), MemoryJournal()) as other,
    ):
        ends = await asyncio.gather(
            *((one if number % 2 else other).change_sim(change) for number, change in enumerate(changes))
        )
    assert {end.outcome for end in ends} == {Outcome.APPLIED}
    assert carrier.stats()["throttled"] == 0
    assert carrier.stats()["most_calls_in_window"] <= 6


async def test_halt_ends_what_waits_for_the_budget_and_finishes_what_is_on_its_way(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([Group(5)])
    carrier.configure(latency_s=0.05)
    journal = MemoryJournal()
    async with Emnify(account(tmp_path, carrier, calls=2), journal) as emnify:
        work = [asyncio.create_task(emnify.change_sim(change)) for change in sim_changes(5)]
        await journal.writing.wait()
        emnify.halt()
        got = await asyncio.gather(*work, return_exceptions=True)
    assert sorted(type(each).__name__ for each in got) == ["Interrupted"] * 4 + ["StepResult"]
    assert carrier.stats()["sim_patches"] == 1
    assert journal.unanswered() == []


async def test_after_halt_nothing_is_sent_until_resumed(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(2)])
    async with Emnify(account(tmp_path, carrier), MemoryJournal()) as emnify:
        await emnify.change_sim(sim_change())
        emnify.halt()
        for refused in (
            emnify.change_sim(sim_change(FIRST_SIM + 1)),
            emnify.find(asked(sim_id=[FIRST_SIM])),
            emnify.change_endpoints(endpoint_changes([FIRST_ENDPOINT])),
        ):
            with pytest.raises(Interrupted):
                await refused
        assert carrier.stats()["calls"] == 2
        emnify.resume()
        assert (await emnify.change_sim(sim_change(FIRST_SIM + 1))).outcome is Outcome.APPLIED


async def test_waiting_for_the_budget_shows(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(5)])
    async with Emnify(account(tmp_path, carrier, calls=2), MemoryJournal()) as emnify:
        await emnify.change_sim(sim_change())
        waiting = asyncio.create_task(emnify.change_sim(sim_change(FIRST_SIM + 1)))
        async with asyncio.timeout(5):
            while not emnify.waiting_s():  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.001)
        assert 200 < emnify.waiting_s() < 301
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_faults_of_every_kind_leave_every_sim_changed_and_none_patched_in_vain(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([Group(30)])
    carrier.inject(
        FaultRule(FaultKind.RESET, method="PATCH", every=7, processed=True, times=2),
        FaultRule(FaultKind.HTML, method="PATCH", every=9, times=2),
        FaultRule(FaultKind.REVOKED, method="PATCH", skip=11, times=1),
        FaultRule(FaultKind.TOO_MANY, method="PATCH", skip=15, times=1, retry_after=0),
    )
    async with Emnify(account(tmp_path, carrier), MemoryJournal()) as emnify:
        ends = await asyncio.gather(*(emnify.change_sim(change) for change in sim_changes(30)))
    assert {end.outcome for end in ends} == {Outcome.APPLIED}
    assert {each.status for each in carrier.fleet.sims.values()} == {SimStatus.ACTIVATED}
    assert carrier.stats()["needless_sim_patches"] == 0
    assert {fault["fired"] for fault in carrier.stats()["faults"]} == {1, 2}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://cdn.emnify.net", "cdn.emnify.net"),
        ("https://CDN.emnify.net:443", "cdn.emnify.net"),
        ("http://cdn.emnify.net.", "cdn.emnify.net"),
        ("http://127.0.0.1:8080/emnify", "127.0.0.1_8080"),
    ],
)
def test_shared_state_is_named_after_the_host(tmp_path: Path, url: str, name: str) -> None:
    assert Account(url, "t", 1, 1.0, 1, tmp_path).key.file_name == name


async def test_carriers_on_different_hosts_share_nothing(tmp_path: Path, carrier: Emulator) -> None:
    here = account(tmp_path, carrier)
    other = Account("https://elsewhere.test", "t", 1, 1.0, 1, tmp_path)
    async with Emnify(here, MemoryJournal()) as one, Emnify(other, MemoryJournal()):
        carrier.refill([Group(2)])
        await one.change_endpoints(endpoint_changes(carrier.fleet.endpoint_ids))
    files = names_in(tmp_path)
    assert {name for name in files if "elsewhere" in name} == {"budget-elsewhere.test.sqlite"}
    assert {f"budget-{here.key.file_name}.sqlite", f"endpoint-writes-{here.key.file_name}.lock"} <= files


async def test_closed_client_sends_nothing(tmp_path: Path, carrier: Emulator) -> None:
    emnify = Emnify(account(tmp_path, carrier), MemoryJournal())
    await emnify.aclose()
    with pytest.raises(LedgerError, match="rate limit"):
        await emnify.count_fleet()
    assert carrier.stats()["calls"] == 0


async def test_once_changes_are_halted_what_waits_is_not_sent_and_all_else_goes_on(
    tmp_path: Path, carrier: Emulator
) -> None:
    carrier.refill([Group(5)])
    carrier.configure(latency_s=0.05)
    journal = MemoryJournal()
    async with Emnify(account(tmp_path, carrier, calls=2, window_s=1.0), journal) as emnify:
        work = [asyncio.create_task(emnify.change_sim(change)) for change in sim_changes(5)]
        await journal.writing.wait()
        emnify.halt_changes()
        got = await asyncio.gather(*work, return_exceptions=True)
        assert sorted(type(each).__name__ for each in got) == ["Interrupted"] * 4 + ["StepResult"]
        with pytest.raises(Interrupted):
            await emnify.change_endpoints(endpoint_changes([FIRST_ENDPOINT]))
        back = await emnify.put_back_endpoints(endpoint_changes([FIRST_ENDPOINT]))
        assert [each.outcome for each in back] == [Outcome.APPLIED]
        assert (await emnify.find(asked(sim_id=[FIRST_SIM]))).inventory.height == 1
        assert carrier.stats()["sim_patches"] == 1
        emnify.allow_changes()
        assert [each.outcome for each in await emnify.change_endpoints(endpoint_changes([FIRST_ENDPOINT + 1]))] == [
            Outcome.APPLIED
        ]
    assert journal.unanswered() == []


async def test_while_it_is_held_nothing_that_waits_is_sent_and_what_was_sent_is_read_back(
    tmp_path: Path, carrier: Emulator
) -> None:
    """The second change is carried out, and its answer is lost."""
    carrier.refill([Group(5)])
    carrier.configure(latency_s=0.3)
    carrier.inject(FaultRule(FaultKind.CLOSE, "PATCH", f"/sim/{FIRST_SIM + 1}$", processed=True))
    journal = MemoryJournal()
    async with Emnify(account(tmp_path, carrier, calls=4, window_s=2.0), journal) as emnify:
        work = [asyncio.create_task(emnify.change_sim(change)) for change in sim_changes(5)]
        while True:
            if carrier.stats()["sim_patches"] >= 2:
                break
            await asyncio.sleep(0.02)
        emnify.hold()
        got = await asyncio.gather(*work, return_exceptions=True)
        assert [each.outcome for each in got if isinstance(each, StepResult)] == [Outcome.APPLIED] * carrier.stats()[
            "sim_patches"
        ]
        assert {type(each) for each in got} == {StepResult, Interrupted}
        for call in (emnify.change_endpoints, emnify.put_back_endpoints):
            with pytest.raises(Interrupted):
                await call(endpoint_changes([FIRST_ENDPOINT]))
        with pytest.raises(Interrupted):
            await emnify.find(asked(sim_id=[FIRST_SIM]))
        emnify.resume()
        assert (await emnify.find(asked(sim_id=[FIRST_SIM]))).inventory.height == 1
    assert journal.unanswered() == []


async def test_endpoints_are_not_put_back_once_they_must_not_be(tmp_path: Path, carrier: Emulator) -> None:
    carrier.refill([Group(1)])
    async with Emnify(account(tmp_path, carrier), MemoryJournal()) as emnify:
        with pytest.raises(Outdated):
            await emnify.put_back_endpoints(endpoint_changes([FIRST_ENDPOINT]), fresh=lambda: False)
    assert carrier.fleet.state_counts() == {"Issued/Disabled": 1}


class Told(progress.ProgressHooks):
    """Keeps what an operator is told."""

    def __init__(self) -> None:
        super().__init__()
        self.sentences: list[str] = []

    def message(self, sentence: str) -> None:
        self.sentences.append(sentence)


async def test_a_second_home_that_calls_the_same_carrier_is_told_of(tmp_path: Path, carrier: Emulator) -> None:
    told, wire = Told(), Wire(notes=tmp_path / "notes")
    progress.install(told)
    for home in ("service", "terminal"):
        (tmp_path / home).mkdir()
        async with Emnify(account(tmp_path / home, carrier), MemoryJournal(), wire) as emnify:
            await emnify.count_fleet()
    (sentence,) = told.sentences
    assert f"Another home of this host, of user {pwd.getpwuid(os.getuid()).pw_name}, calls 127.0.0.1:" in sentence


async def test_a_home_that_another_host_uses_sends_nothing(tmp_path: Path, carrier: Emulator) -> None:
    here = account(tmp_path, carrier)
    use = {
        "boot": "b",
        "machine": "m",
        "name": "node-7",
        "pid": 1,
        "clock_s": 5.0,
        "at": time.time(),
        "counts_for_s": 390,
    }
    (tmp_path / f"budget-{here.key.file_name}.host").write_text(json.dumps(use))
    async with Emnify(here, MemoryJournal()) as emnify:
        with pytest.raises(LedgerError, match="Another host uses this SIMTANDEM_HOME: node-7"):
            await emnify.count_fleet()
    assert carrier.stats()["calls"] == 0
