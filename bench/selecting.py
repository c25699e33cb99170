"""Selecting from a whole fleet, beside a plan of a list of the same devices: the calls, the time and the memory."""

import math

from bench.carrier import EmulatedCarrier, write_devices
from bench.children import SIMTANDEM, Finished, finish
from bench.expecting import expect
from bench.homes import fresh_home
from bench.page import Table
from bench.sizes import Sizes

_NO_LIMIT = 1_000_000
_FEW = 400
"""One device in so many has the tag."""
_TAG = "depot-7"
_PAGES = {"GET /api/v1/endpoint": 1000, "GET /api/v1/sim": 2500}


def selecting(sizes: Sizes) -> Table:
    """Few devices of the largest fleet: by a list, by fields of the endpoint listing, by fields of both listings."""
    fleet = sizes.listed[-1]
    few = math.ceil(fleet / _FEW)
    asked: tuple[tuple[str, range | str, int], ...] = (
        ("a list", range(fleet - few, fleet), few),
        (f"`tag = '{_TAG}'`", f"tag = '{_TAG}'", few),
        (f"`tag = '{_TAG}' and activation_date is null`", f"tag = '{_TAG}' and activation_date is null", few),
    )
    with EmulatedCarrier(calls=_NO_LIMIT) as carrier:
        rows = [_plan(carrier, fleet, few, *each) for each in asked]
    return Table(
        ("by", "devices", "calls for pages", "the whole process", "its processor time", "its peak memory"),
        rows,
        f"`simtandem plan` for devices of a fleet of {fleet:,}.",
    )


def _plan(
    carrier: EmulatedCarrier, fleet: int, few: int, name: str, asked: range | str, devices: int
) -> tuple[str, ...]:
    carrier.fill_tagged(fleet - few, few, _TAG)
    done = _planned(carrier, fleet, asked)
    expect("changes planned", done.document["plan"]["sim_changes"], devices)
    called = carrier.stats()["by_route"]
    pages = sum(called.get(route, 0) for route in _PAGES)
    return (
        name,
        f"{devices:,}",
        f"{pages:,}",
        f"{done.seconds:.1f} s",
        f"{done.busy_s:.1f} s",
        f"{done.peak_mib:,.0f} MiB",
    )


def _planned(carrier: EmulatedCarrier, fleet: int, asked: range | str) -> Finished:
    with fresh_home() as home:
        file = home / "devices.csv"
        if isinstance(asked, range):
            write_devices(file, asked)
        what = [str(file)] if isinstance(asked, range) else ["--where", asked]
        return finish(
            [SIMTANDEM, "plan", *what, "--to", "activated", "--json", "--quiet"],
            within_s=120 + fleet / 1000,
            extra=carrier.settings(home, calls=_NO_LIMIT),
        )
