from pathlib import Path

import pytest

from schemas.statuses import Outcome
from simtandem.carriers.emnify.client import Emnify
from simtandem.carriers.registry import lifecycle_for, lifecycle_of, open_carrier
from simtandem.emulator.server import Emulator, Group
from simtandem.errors import InputError
from simtandem.settings import load
from tests.simtandem.carriers.emnify.rig import MemoryJournal, sim_change


async def test_carrier_of_the_settings_calls_the_host_they_name_with_their_token(tmp_path: Path) -> None:
    with Emulator([Group(1)]) as emulator:
        settings = load(home=tmp_path, emnify_url=emulator.url + "/", emnify_token=emulator.token)
        carrier = open_carrier(settings, MemoryJournal())
        assert (await carrier.change_sim(sim_change())).outcome is Outcome.APPLIED
        await carrier.aclose()


async def test_carrier_keeps_to_the_calls_less_the_reserve(tmp_path: Path) -> None:
    settings = load(home=tmp_path, emnify_token="t", calls=20, calls_reserve=0.25, calls_window_s=60, sim_concurrency=3)
    carrier = open_carrier(settings, MemoryJournal())
    assert isinstance(carrier, Emnify)
    window = carrier._transport._limits.every_call
    assert (window.calls, window.seconds) == (15, 60)
    assert carrier._reader._at_once._value == 3
    await carrier.aclose()


def test_without_a_token_nothing_is_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"SIMTANDEM_EMNIFY_TOKEN is not set\. Nothing was sent"):
        open_carrier(load(home=tmp_path / "home"), MemoryJournal())
    assert not (tmp_path / "home").exists()


async def test_rules_are_those_of_the_carrier(tmp_path: Path) -> None:
    carrier = open_carrier(load(home=tmp_path, emnify_token="t"), MemoryJournal())
    assert type(lifecycle_of("emnify")) is type(carrier.lifecycle)
    await carrier.aclose()


async def test_a_contracts_move_is_legal_in_every_step_where_the_settings_have_it(tmp_path: Path) -> None:
    access = {"aeradmin_account_id": "1", "aeradmin_email": "a@b.example", "aeradmin_api_key": "hush-hush-hush"}
    for allowed in (False, True):
        settings = load(home=tmp_path, carrier="aeradmin", aeradmin_assigned_to_billed=allowed, **access)
        carrier = open_carrier(settings, MemoryJournal())
        for rules in (lifecycle_for(settings), carrier.lifecycle):
            assert bool(rules.move("Assigned", None, "activated").refusal) is not allowed
        await carrier.aclose()
