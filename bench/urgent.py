"""Five urgent devices while a run of a whole fleet is under way, and has used up the rate limit."""

import subprocess
import time
from pathlib import Path

from bench.carrier import EmulatedCarrier, write_devices
from bench.children import ROOT, SIMTANDEM, environment, finish, killed_after
from bench.expecting import expect
from bench.homes import fresh_home
from bench.page import Table
from bench.sizes import Sizes

_FEW = 5
_LATENCY_S = 0.03
_WITHIN_S = 1800.0


def urgent(sizes: Sizes) -> Table:
    """Start the large run, wait until its calls are used up, then activate five devices that are not in it."""
    devices, limit, window_s = sizes.under_way, sizes.urgent_calls, sizes.urgent_window_s
    with EmulatedCarrier(calls=limit, calls_window_s=window_s, latency_s=_LATENCY_S) as carrier, fresh_home() as home:
        carrier.fill(devices + _FEW)
        most, few = home / "most.csv", home / "few.csv"
        write_devices(most, range(devices))
        write_devices(few, range(devices, devices + _FEW))
        settings = carrier.settings(home, calls=limit, calls_window_s=window_s, calls_reserve=0)
        with _under_way(settings, most):
            used_up = limit - 100
            begun = _wait_for_calls(carrier, used_up)
            done = finish(_apply(few, "--urgent"), within_s=_WITHIN_S, extra=settings)
            expect("urgent devices", done.document["verdicts"]["in_sync"], _FEW)
            patched = [call.at for call in carrier.calls() if call.route.startswith("PATCH")]
        stats = carrier.stats()
    expect("calls answered 429", stats["throttled"], 0)
    return Table(
        ("", "measured", "floor or limit"),
        [
            (f"{_FEW} urgent devices, the whole process", f"{done.seconds:.1f} s", "60 s"),
            ("its processor time", f"{done.busy_s:.1f} s", ""),
            ("changes sent by then, of both runs", f"{len(patched):,}", f"{2 * (devices + _FEW):,}"),
            ("calls answered 429", f"{stats['throttled']:,}", "0"),
            (f"most calls in any {window_s:.0f} s", f"{stats['most_calls_in_window']:,}", f"{limit:,}"),
        ],
        f"{devices:,} devices under way; urgent after {begun:,} of {limit:,} calls in {window_s:.0f} s.",
    )


def _apply(file: Path, *options: str) -> list[str]:
    return [
        SIMTANDEM,
        "apply",
        str(file),
        "--to",
        "activated",
        "--yes",
        "--accept-large",
        "--json",
        "--quiet",
        *options,
    ]


class _under_way:  # noqa: N801 - it reads as words
    """A run in a process of its own, which is stopped at the end of the block."""

    def __init__(self, settings: dict[str, str], file: Path) -> None:
        self._settings, self._file = settings, file

    def __enter__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            _apply(self._file, "--batch-size", "100"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env=environment(self._settings),
        )

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        with killed_after(self._process, 10):
            self._process.wait()


def _wait_for_calls(carrier: EmulatedCarrier, calls: int) -> int:
    give_up = time.monotonic() + _WITHIN_S
    while (seen := int(carrier.stats()["most_calls_in_window"])) < calls:
        if time.monotonic() > give_up:
            raise RuntimeError("the large run does not begin")
        time.sleep(0.5)
    return seen
