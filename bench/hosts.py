"""Two hosts with homes of their own and one ledger in PostgreSQL: what the carrier sees of their common rate limit."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from bench.applying import LATENCY_S, expect_in_sync
from bench.carrier import Called, EmulatedCarrier, write_devices
from bench.children import SIMTANDEM, Finished, finish
from bench.expecting import expect
from bench.homes import fresh_home
from bench.page import Table
from bench.postgres import fresh_schema
from bench.sizes import Sizes

_HOSTS = 2
_FEW = 5
_USED_UP = 0.9
_WITHIN_S = 1800.0
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Shared:
    """What came of one limit, as the carrier saw it, and of the urgent devices."""

    limit: int
    window_s: float
    calls: Sequence[Called]
    stats: dict[str, Any]
    urgent: Finished

    @property
    def floor_s(self) -> float:
        """The least time from the first PATCH to the last call."""
        return (math.ceil(len(self._sending) / self.limit) - 1) * self.window_s

    @property
    def took_s(self) -> float:
        """From the first PATCH to the last call."""
        return self._sending[-1].at - self._sending[0].at

    @property
    def used(self) -> str:
        """The share of what the carrier takes, from the first PATCH on and in whole windows."""
        windows = int(self.took_s // self.window_s)
        until = self._sending[0].at + windows * self.window_s
        sent = sum(call.at < until for call in self._sending)
        return f"{100 * sent / (windows * self.limit):.1f} %" if windows else ""

    def count(self, name: str) -> str:
        """What the carrier counted by that name."""
        return f"{self.stats[name]:,}"

    @property
    def _sending(self) -> Sequence[Called]:
        first = next(number for number, call in enumerate(self.calls) if call.route.startswith("PATCH"))
        return self.calls[first:]


def hosts(sizes: Sizes) -> Table:
    """Share each limit in turn."""
    shared = [_share(*each) for each in sizes.hosts]
    limits = [each for one in shared for each in (f"{one.limit:,} calls in {one.window_s:.0f} s", "floor or limit")]
    measured = [
        ("first PATCH to last call", *_beside((f"{each.took_s:.1f} s", f"{each.floor_s:.0f} s") for each in shared)),
        (
            "most calls in any such time",
            *_beside((each.count("most_calls_in_window"), f"{each.limit:,}") for each in shared),
        ),
        ("used of what the carrier takes", *_beside((each.used, "100 %") for each in shared)),
        ("calls answered 429", *_beside((each.count("throttled"), "0") for each in shared)),
        ("endpoint writes that overlapped", *_beside((each.count("endpoint_write_overlaps"), "0") for each in shared)),
        ("devices patched more than once", *_beside((f"{_twice(each.stats):,}", "0") for each in shared)),
        (
            f"{_FEW} urgent devices, the whole process",
            *_beside((f"{each.urgent.seconds:.1f} s", "60 s") for each in shared),
        ),
        ("its processor time", *_beside((f"{each.urgent.busy_s:.1f} s", "") for each in shared)),
    ]
    devices = " and ".join(f"{_HOSTS * each:,}" for each, _, _ in sizes.hosts)
    return Table(
        ("", *limits),
        measured,
        f"{_HOSTS} hosts, {devices} devices activated, and {_FEW} urgent ones besides each time.",
    )


def _beside(cells: Iterable[tuple[str, str]]) -> Iterator[str]:
    return chain.from_iterable(cells)


def _twice(stats: dict[str, Any]) -> int:
    return len(stats["sim_patches_repeated"]) + int(stats["needless_endpoint_patches"])


def _share(devices: int, limit: int, window_s: float) -> Shared:
    behaviour = {"calls": limit, "calls_window_s": window_s, "latency_s": LATENCY_S}
    with EmulatedCarrier(**behaviour) as carrier, fresh_schema() as ledger, ExitStack() as stack:
        carrier.fill(_HOSTS * devices + _FEW)
        homes = [stack.enter_context(fresh_home()) for _ in range(_HOSTS)]
        pace = {"calls": limit, "calls_window_s": window_s, "calls_reserve": 0}
        settings = [{**carrier.settings(home, **pace), "SIMTANDEM_LEDGER_URL": ledger} for home in homes]
        with ThreadPoolExecutor(_HOSTS) as threads:
            under_way = [
                threads.submit(_apply, home, own, range(number * devices, (number + 1) * devices))
                for number, (home, own) in enumerate(zip(homes, settings, strict=True))
            ]
            _wait_for_calls(carrier, int(limit * _USED_UP), under_way)
            few = range(_HOSTS * devices, _HOSTS * devices + _FEW)
            urgent = _apply(homes[-1], settings[-1], few, "--urgent")
            for each in under_way:
                each.result()
        expect_in_sync(carrier, _HOSTS * devices + _FEW)
        calls, stats = carrier.calls(), carrier.stats()
        expect("calls answered 429", [call.route for call in calls if call.status == _TOO_MANY], [])
        expect("endpoint writes that overlapped", stats["endpoint_write_overlaps"], 0)
        expect("devices patched more than once", _twice(stats), 0)
        return Shared(limit, window_s, calls, stats, urgent)


def _apply(home: Path, settings: dict[str, str], devices: range, *options: str) -> Finished:
    file = home / f"devices-{devices.start}.csv"
    write_devices(file, devices)
    command = [SIMTANDEM, "apply", str(file), "--to", "activated", "--yes", "--accept-large", "--json", "--quiet"]
    return finish([*command, *options], within_s=_WITHIN_S, extra=settings)


def _wait_for_calls(carrier: EmulatedCarrier, calls: int, under_way: Sequence[Future[Finished]]) -> None:
    while int(carrier.stats()["most_calls_in_window"]) < calls:
        for each in under_way:
            if each.done():
                each.result()
                raise RuntimeError("a host was through before the window was used up")
        time.sleep(0.5)
