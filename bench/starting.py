"""Commands on ten devices: what a command costs beside its calls."""

from pathlib import Path

from bench.carrier import EmulatedCarrier, write_devices
from bench.children import PYTHON, SIMTANDEM, finish
from bench.homes import fresh_home
from bench.page import Table
from bench.sizes import Sizes

_DEVICES = 10
_WITHIN_S = 120.0
_PLAN_S, _WARM_S, _COLD_S = 1.0, 2.5, 8.0


def starting(sizes: Sizes) -> Table:
    """`plan` and `apply` of ten devices, by turns, in a home that has been used and in fresh ones."""
    rounds = sizes.rounds
    plans, warm, cold = [], [], []
    with EmulatedCarrier() as carrier, fresh_home() as home:
        carrier.fill(_DEVICES)
        devices = home / "devices.csv"
        write_devices(devices, range(_DEVICES))
        _run(carrier, home, "plan", devices, "activated")
        for number in range(rounds):
            to = ("suspended", "activated")[number % 2]
            with fresh_home() as new:
                _, everything = _run(carrier, new, "apply", devices, "activated" if number % 2 == 0 else "suspended")
                cold.append(everything)
            plans.append(_run(carrier, home, "plan", devices, to)[0])
            warm.append(_run(carrier, home, "apply", devices, to)[0])
    return Table(
        ("", "processor", "allowed"),
        [
            ("`simtandem plan`", _least(plans), f"{_PLAN_S:.0f} s"),
            ("`simtandem apply`, its own process", _least(warm), f"{_WARM_S} s"),
            ("`simtandem apply` in a fresh home, Prefect's server included", _least(cold), f"{_COLD_S:.0f} s"),
        ],
        f"{_DEVICES} devices. Processor seconds, user and system: the least of {rounds} times and, in brackets, all.",
    )


def _run(carrier: EmulatedCarrier, home: Path, command: str, devices: Path, to: str) -> tuple[float, float]:
    """Processor seconds of the command alone, and of it with all that it started."""
    ours = [SIMTANDEM, command, str(devices), "--to", to, "--yes", "--quiet", "--accept-large"]
    program = [PYTHON, "-m", "bench.programs.whole_family", *ours]
    told = finish(program, within_s=_WITHIN_S, extra=carrier.settings(home)).document
    return told["own_s"], told["everything_s"]


def _least(seconds: list[float]) -> str:
    return f"{min(seconds):.2f} s ({', '.join(f'{each:.2f}' for each in seconds)})"
