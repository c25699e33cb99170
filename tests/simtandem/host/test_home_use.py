"""One host uses a home at a time; reboots, containers and clocks that jump are no other hosts."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from simtandem.errors import LedgerError
from simtandem.host.home_use import HomeUse, Host, this_host

COUNTS_S = 390.0


class Machine:
    """A host with its clock. Time passes for all of them together; each has its own idea of the time of day."""

    time = 1_000_000.0

    def __init__(self, name: str, *, up_s: float = 50_000.0, fast_s: float = 0.0, machine: str = "") -> None:
        self._booted = Machine.time - up_s
        self.fast_s = fast_s
        self.host = Host(f"boot of {name}", machine or f"id of {name}", name, self.clock)

    def clock(self) -> float:
        return Machine.time - self._booted

    def now(self) -> float:
        return Machine.time + self.fast_s

    def process(self, home: Path) -> HomeUse:
        return HomeUse(home / "budget.host", self.clock, self.now, self.host)

    def rebooted(self) -> "Machine":
        again = Machine(self.host.name, up_s=20.0, machine=self.host.machine)
        again.host = replace(again.host, boot=f"{self.host.boot}, again")
        return again


@pytest.fixture(autouse=True)
def _begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, "time", 1_000_000.0)


def test_processes_of_one_host_share_a_home(tmp_path: Path) -> None:
    machine = Machine("one")
    first, second = machine.process(tmp_path), machine.process(tmp_path)
    for _ in range(5):
        first.renew(COUNTS_S)
        second.renew(COUNTS_S)
        Machine.time += 3


@pytest.mark.parametrize("up_s", [40_000.0, 60_000.0])
def test_another_host_is_refused_while_calls_of_the_first_may_count(tmp_path: Path, up_s: float) -> None:
    Machine("one").process(tmp_path).renew(COUNTS_S)
    Machine.time += 2
    other = Machine("two", up_s=up_s).process(tmp_path)
    with pytest.raises(LedgerError, match=r"(?s)Another host uses this SIMTANDEM_HOME: one.*run again 388 s later"):
        other.renew(COUNTS_S)
    Machine.time += COUNTS_S
    assert other.renew(COUNTS_S)


def test_who_comes_back_after_another_host_took_over_is_refused(tmp_path: Path) -> None:
    first = Machine("one").process(tmp_path)
    first.renew(COUNTS_S)
    Machine.time += COUNTS_S + 1
    Machine("two").process(tmp_path).renew(COUNTS_S)
    Machine.time += 2
    with pytest.raises(LedgerError, match="two"):
        first.renew(COUNTS_S)


def test_of_two_hosts_that_begin_together_one_is_refused_within_a_second(tmp_path: Path) -> None:
    uses = [Machine("one").process(tmp_path), Machine("two").process(tmp_path)]
    uses[0]._write(COUNTS_S, first=True)  # both found no note, and write theirs
    uses[1]._write(COUNTS_S, first=True)
    Machine.time += 1
    uses[0].renew(COUNTS_S)
    with pytest.raises(LedgerError):
        uses[1].renew(COUNTS_S)


def test_a_reboot_is_no_other_host(tmp_path: Path) -> None:
    machine = Machine("one")
    machine.process(tmp_path).renew(COUNTS_S)
    Machine.time += 60
    assert machine.rebooted().process(tmp_path).renew(COUNTS_S)


def test_a_reboot_is_no_other_host_where_the_time_of_day_is_not_set_yet(tmp_path: Path) -> None:
    machine = Machine("one")
    machine.process(tmp_path).renew(COUNTS_S)
    Machine.time += 60
    again = machine.rebooted()
    again.fast_s = -30_000_000.0
    assert again.process(tmp_path).renew(COUNTS_S)


def test_containers_of_one_host_share_its_clock_and_so_a_home(tmp_path: Path) -> None:
    machine = Machine("one")
    machine.process(tmp_path).renew(COUNTS_S)
    machine.host = replace(machine.host, name="3f2a91", machine="")
    Machine.time += 2
    assert machine.process(tmp_path).renew(COUNTS_S)


def test_another_clock_under_the_same_boot_is_another_host(tmp_path: Path) -> None:
    machine, shifted = Machine("one"), Machine("two", up_s=49_000.0)
    shifted.host = replace(shifted.host, boot=machine.host.boot)
    machine.process(tmp_path).renew(COUNTS_S)
    with pytest.raises(LedgerError):
        shifted.process(tmp_path).renew(COUNTS_S)
    ahead = Machine("three", up_s=90_000.0)
    ahead.host = replace(ahead.host, boot=machine.host.boot)
    with pytest.raises(LedgerError):
        ahead.process(tmp_path).renew(COUNTS_S)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"boot": 1}', "\0\0"])
def test_a_note_that_makes_no_sense_is_written_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "budget.host").write_text(content)
    assert Machine("one").process(tmp_path).renew(COUNTS_S)
    assert json.loads((tmp_path / "budget.host").read_text())["name"] == "one"
    assert [each.name for each in tmp_path.iterdir()] == ["budget.host"]


def test_the_name_of_the_other_host_is_shown_without_what_would_move_the_cursor(tmp_path: Path) -> None:
    machine = Machine("one")
    machine.host = replace(machine.host, name="\x1b[2Jone")
    machine.process(tmp_path).renew(COUNTS_S)
    with pytest.raises(LedgerError) as caught:
        Machine("two").process(tmp_path).renew(COUNTS_S)
    assert "\x1b" not in str(caught.value)


def test_this_host_has_a_boot_and_a_name() -> None:
    host = this_host()
    assert host.boot
    assert host.name
    assert host.up_s() > 0
