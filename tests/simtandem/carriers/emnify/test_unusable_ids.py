"""An id that is shown and can't be used is not taken for none: the SIM would have no endpoint, or not be there."""

import json
from pathlib import Path

import pytest

from simtandem.carriers.emnify.paging import ENDPOINTS, SIMS, Route, read_item, read_page
from simtandem.errors import CarrierRefused
from tests.simtandem.carriers.emnify.rig import ScriptedCarrier, says, scripted

SIM = {"id": 1001, "status": {"id": 1}, "endpoint": {"id": 2001}}
ENDPOINT = {"id": 2001, "status": {"id": 0}, "sim": {"id": 1001, "status": {"id": 1}}}
UNUSABLE = [float("nan"), float("inf"), "²", "x", "", 2**60, 10**30, "9" * 40, -1, 1.5, True, {}, [1]]


@pytest.mark.parametrize("ident", UNUSABLE, ids=repr)
@pytest.mark.parametrize(
    ("route", "item", "place"),
    [(SIMS, SIM, "endpoint"), (SIMS, SIM, ""), (ENDPOINTS, ENDPOINT, "sim"), (SIMS, SIM, "customer_org")],
)
async def test_an_answer_with_an_id_that_cannot_be_used_is_unusable(
    tmp_path: Path, route: Route, item: dict[str, object], place: str, ident: object
) -> None:
    odd = item | ({place: {"id": ident}} if place else {"id": ident})
    expected = f"the carrier's answer can't be used: the {place}{'.' if place else ''}id of an item is"
    async with scripted(tmp_path, ScriptedCarrier(says(200, text=json.dumps([item, odd])))) as rig:
        with pytest.raises(CarrierRefused) as listed:
            await read_page(rig.transport, route, 1)
    async with scripted(tmp_path / "one", ScriptedCarrier(says(200, text=json.dumps(odd)))) as rig:
        with pytest.raises(CarrierRefused) as read:
            await read_item(rig.transport, f"{route.path}/1001", "sim")
    for refused in (listed, read):
        assert expected in str(refused.value)


@pytest.mark.parametrize("nothing", [None, {}, {"id": None}])
async def test_no_id_is_no_half(tmp_path: Path, nothing: object) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(200, [SIM | {"endpoint": nothing}]))) as rig:
        page = await read_page(rig.transport, SIMS, 1)
    assert page.rows.select("sim_id", "endpoint_id").rows() == [("1001", None)]


async def test_a_list_in_place_of_an_item_is_refused_in_a_whole_sentence(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(200, [SIM]))) as rig:
        with pytest.raises(CarrierRefused) as refused:
            await read_item(rig.transport, "/api/v1/sim/1001", "sim")
    assert str(refused.value) == (
        "GET /api/v1/sim/1001: the carrier's answer can't be used: it is a list, not one item. "
        "Nothing is concluded from it."
    )
