"""Plans and calls for emnify that must stay as they are: an operator may have approved one by its digest.

Every state a device can be in, with every wish. Nothing here is built from the rules under test: words and numbers
stand as text.
"""

import hashlib
import itertools
from contextlib import closing
from pathlib import Path

import polars as pl

from schemas.tables import Devices, Inventory, Repeats, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain.batches import split
from simtandem.domain.plan import digest, make_plan
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from simtandem.ledger.store import Ledger
from tests.simtandem.runs.emulated import Desk

SIMS = ["Issued", "Activated", "Suspended", "Deleted", "Factory Test"]
ENDPOINTS = ["Enabled", "Disabled", "Deleted"]
WISHES = ["activated", "suspended", "factory_test"]
STATES = [state for state in itertools.product([None, *SIMS], [None, *ENDPOINTS]) if any(state)]


def every_state(wishes: list[str]) -> pl.DataFrame:
    """The plan for one device of every state and each of these wishes, in the order of rows."""
    asked, listed = [], []
    for number, ((sim, endpoint), wish) in enumerate(itertools.product(STATES, wishes), 1):
        sim_id, endpoint_id = (str(number) if sim else None), (str(1000 + number) if endpoint else None)
        asked.append((number + 1, sim_id, endpoint_id, None, wish, None))
        listed.append((sim_id, str(8_988_000_000_000_000_000 + number) if sim else None, sim, endpoint_id, endpoint))
    devices = pl.DataFrame(asked, schema=empty(Devices).schema, orient="row")
    inventory = pl.DataFrame(listed, schema=empty(Inventory).schema, orient="row")
    return make_plan(devices, empty(Repeats), inventory, lifecycle_of("emnify"))


def test_the_digest_of_every_move_is_the_one_it_was() -> None:
    assert digest(every_state(WISHES), "emnify") == "6291e23cf5d065bb"


def test_batches_hold_the_same_rows_in_the_same_order() -> None:
    batches = split(every_state(WISHES), 4, EMNIFY)
    told = [(batch.number, str(batch.first), str(batch.target), *batch.rows["row"]) for batch in batches]
    assert hashlib.sha256(repr(told).encode()).hexdigest()[:16] == "3550885649b75e08"


def test_an_apply_sends_the_same_calls(tmp_path: Path) -> None:
    asked = list(itertools.product([state for state in STATES if state[0]], WISHES))
    fleet = [Group.from_json({"sim": sim, "endpoint": endpoint}) for (sim, endpoint), _ in asked]
    with Emulator(fleet, path_limits=False) as emulator:
        desk = Desk(emulator, tmp_path / "home")
        lines = [f"{sim},{wish}" for sim, (_, wish) in zip(emulator.fleet.sims, asked, strict=True)]
        run = desk.request(desk.file("sim_id,status", *lines))
        with closing(Ledger.open(desk.settings.ledger())) as ledger:
            calls = ledger.calls(run["run_id"]).filter(pl.col("method") == "PATCH")
    told = sorted(calls.select("method", "path", "purpose", "attempt", "body").rows())
    assert (len(told), hashlib.sha256(repr(told).encode()).hexdigest()[:16]) == (16, "ed74fed99f287d6f")
