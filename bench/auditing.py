"""Auditing whole fleets: both listings side by side, every pair judged, findings and repair files written."""

import math
from http.client import OK

from bench.carrier import EmulatedCarrier
from bench.children import SIMTANDEM, finish
from bench.expecting import expect
from bench.homes import fresh_home
from bench.page import Table
from bench.sizes import Sizes

_PER_PAGE = {"GET /api/v1/endpoint": 1000, "GET /api/v1/sim": 2500}
_PAGES_A_SECOND = 10
_SPLIT = 10  # one pair in so many
_NO_LIMIT = 1_000_000


def auditing(sizes: Sizes) -> Table:
    """Audit fleets of several sizes."""
    with EmulatedCarrier(calls=_NO_LIMIT) as carrier:
        rows = [_audit(carrier, fleet) for fleet in sizes.listed]
    return Table(
        (
            "SIMs",
            "pages",
            "first to last page",
            "floor",
            "the whole process",
            "its peak memory",
            "allowed",
            "answered 429",
        ),
        rows,
        f"`simtandem audit` on a fresh home; one pair in {_SPLIT} is paying but off.",
    )


def _audit(carrier: EmulatedCarrier, fleet: int) -> tuple[str, ...]:
    split = fleet // _SPLIT
    carrier.fill(fleet - split, split)
    pages = {route: math.ceil(fleet / per_page) for route, per_page in _PER_PAGE.items()}
    with fresh_home() as home:
        done = finish(
            [SIMTANDEM, "audit", "--json", "--quiet"],
            within_s=120 + 4 * max(pages.values()) / _PAGES_A_SECOND,
            extra=carrier.settings(home, calls=_NO_LIMIT),
            code=1,
        )
    read = [call.at for call in carrier.calls() if call.route in pages and call.status == OK]
    expect("SIMs", done.document["sims"], fleet)
    expect("pairs paying but off", done.document["findings"]["paying_but_off"], split)
    expect("pages read", len(read), sum(pages.values()))
    return (
        f"{fleet:,}",
        f"{sum(pages.values()):,}",
        f"{read[-1] - read[0]:.1f} s",
        f"{(max(pages.values()) - 1) / _PAGES_A_SECOND:.1f} s",
        f"{done.seconds:.1f} s",
        f"{done.peak_mib:,.0f} MiB",
        "2,048 MiB",
        f"{carrier.stats()['throttled']:,}",
    )
