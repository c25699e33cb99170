"""Reading a whole fleet: `simtandem plan` for devices spread over so many pages that listing is cheaper than asking."""

import math
from http.client import OK

from bench.carrier import EmulatedCarrier, write_devices
from bench.children import SIMTANDEM, finish
from bench.expecting import expect
from bench.homes import fresh_home
from bench.page import Table
from bench.sizes import Sizes

_PER_PAGE = 1000
_PAGES_A_SECOND = 10
_ASKED = 2500
_NO_LIMIT = 1_000_000


def listing(sizes: Sizes) -> Table:
    """List fleets of several sizes."""
    with EmulatedCarrier(calls=_NO_LIMIT) as carrier:
        rows = [_list(carrier, fleet) for fleet in sizes.listed]
    return Table(
        ("SIMs", "pages", "first to last page", "floor", "the whole process", "its peak memory", "answered 429"),
        rows,
        f"`simtandem plan` for {_ASKED:,} devices spread over the fleet; {_PER_PAGE:,} devices a page.",
    )


def _list(carrier: EmulatedCarrier, fleet: int) -> tuple[str, ...]:
    carrier.fill(fleet)
    pages = math.ceil(fleet / _PER_PAGE)
    spread_out = range(0, fleet, math.ceil(fleet / _ASKED))
    with fresh_home() as home:
        file = home / "devices.csv"
        write_devices(file, spread_out)
        done = finish(
            [SIMTANDEM, "plan", str(file), "--to", "activated", "--json", "--quiet"],
            within_s=60 + 3 * pages / _PAGES_A_SECOND,
            extra=carrier.settings(home, calls=_NO_LIMIT),
        )
    read = [call.at for call in carrier.calls() if call.route == "GET /api/v1/endpoint" and call.status == OK]
    expect("changes planned", done.document["plan"]["sim_changes"], len(spread_out))
    expect("pages read", len(read), pages)
    return (
        f"{fleet:,}",
        f"{pages:,}",
        f"{read[-1] - read[0]:.1f} s",
        f"{(pages - 1) / _PAGES_A_SECOND:.1f} s",
        f"{done.seconds:.1f} s",
        f"{done.peak_mib:,.0f} MiB",
        f"{carrier.stats()['throttled']:,}",
    )
