"""Where the time of a call goes while a run sends, and the processor time of the run's process."""

import json
from typing import Any

from bench.applying import LATENCY_S
from bench.carrier import EmulatedCarrier, write_devices
from bench.children import PYTHON, finish
from bench.expecting import expect
from bench.homes import fresh_home
from bench.page import Table
from bench.sizes import Sizes

_CONCURRENCY = 8
_NO_LIMIT = 1_000_000
_WITHIN_S = 300.0
_SHOWN_PACKAGES = 8


def call_parts(sizes: Sizes) -> Table:
    """Activate devices twice: once to note when each call comes where, once under a profiler."""
    with EmulatedCarrier(calls=_NO_LIMIT, latency_s=LATENCY_S) as carrier:
        noted, profiled = _apply(carrier, sizes.profiled), _apply(carrier, sizes.profiled, "--profiled")
    per_call = {part: seconds / noted["calls"] for part, seconds in noted["parts"].items()}
    whole = sum(seconds for part, seconds in per_call.items() if part != "ended")
    parts = [
        ("waits for its slot of the rate limit", per_call["slot"]),
        ("is recorded before it is sent", per_call["recorded"]),
        ("is at the carrier, and on the way", per_call["carrier"]),
        ("the rest, until another one may go", per_call["way"] + per_call["back"]),
        ("**together**", whole),
    ]
    rows: list[tuple[str, ...]] = [(what, _ms(seconds), f"{seconds / whole:.0%}") for what, seconds in parts]
    rows.append(("its end is recorded, beside the next call", _ms(per_call["ended"]), ""))
    rows += _processor(noted, profiled)
    at_once = noted["parts"]["carrier"] / noted["span_s"]
    return Table(
        ("a call of a SIM", "milliseconds", "share"),
        rows,
        f"{noted['calls']:,} SIMs activated, {LATENCY_S * 1000:.0f} ms a call, {_CONCURRENCY} in flight at most: "
        f"{at_once:.1f} were at the carrier or on the way on average. Shares of the event loop are of a profiled run.",
    )


def _processor(noted: dict[str, Any], profiled: dict[str, Any]) -> list[tuple[str, ...]]:
    loop, ledger = noted["loop_s"] / noted["calls"], noted["ledger_s"] / noted["calls"]
    whole, packages = sum(profiled["packages"].values()), list(profiled["packages"].items())
    return [
        ("processor time of the ledger's thread", _ms(ledger), ""),
        ("processor time of the event loop", _ms(loop), "100%"),
        *(
            (f"· {package}", _ms(loop * own / whole), f"{own / whole:.0%}")
            for package, own in packages[:_SHOWN_PACKAGES]
        ),
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f}"


def _apply(carrier: EmulatedCarrier, devices: int, *how: str) -> dict[str, Any]:
    """What `bench.programs.call_parts` tells of a run in a fresh home."""
    carrier.fill(devices)
    with fresh_home() as home:
        file, told = home / "devices.csv", home / "parts.json"
        write_devices(file, range(devices))
        ours = ["apply", str(file), "--to", "activated", "--yes", "--json", "--quiet"]
        done = finish(
            [PYTHON, "-m", "bench.programs.call_parts", *how, str(told), *ours],
            within_s=_WITHIN_S,
            extra=carrier.settings(home, calls=_NO_LIMIT, sim_concurrency=_CONCURRENCY),
        )
        found: dict[str, Any] = json.loads(told.read_text())
    expect("devices in sync", done.document["verdicts"]["in_sync"], devices)
    expect("calls of SIMs", found["calls"], devices)
    return found
