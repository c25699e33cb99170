"""Ids that the carrier does not know, or refuses to show, and filters that it refuses."""

from pathlib import Path

import httpx
import pytest

from simtandem.emulator.numbering import iccid_of
from tests.simtandem.carriers.emnify.rig import Handler, ScriptedCarrier, asked, logged_in, says, scripted


@pytest.mark.parametrize(
    "answer",
    [says(404, {"error_code": 1401}), says(404, {"error_code": 1601}), says(404, text="<html>"), says(404)],
)
async def test_a_404_to_a_read_by_id_means_not_there_whatever_the_code(tmp_path: Path, answer: Handler) -> None:
    async with scripted(tmp_path, ScriptedCarrier(answer)) as rig:
        listing = await rig.reader.find(asked(sim_id=[1]))
    assert listing.inventory.is_empty()
    assert listing.refused == {}


@pytest.mark.parametrize("status", [400, 403, 409, 422])
async def test_a_device_that_the_carrier_refuses_to_show_costs_its_own_row_with_the_reason(
    tmp_path: Path, status: int
) -> None:
    def one_refused(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/sim/1"):
            return httpx.Response(status, json={"error_code": 1000, "message": "no number"})
        return httpx.Response(200, json={"id": 2, "iccid": iccid_of(2), "status": {"id": 0}})

    async with scripted(tmp_path, behind_login(one_refused)) as rig:
        listing = await rig.reader.find(asked(sim_id=[1]))
        other = await rig.reader.find(asked(sim_id=[2]))
    assert listing.inventory.is_empty()
    assert f"HTTP {status}" in listing.refused["sim_id", "1"]
    assert other.inventory["sim_id"].to_list() == ["2"]


@pytest.mark.parametrize("refusal", [says(422, {"error_code": 1301, "message": "Invalid filter"}), says(400)])
async def test_a_refused_filter_by_iccid_falls_back_to_the_listing(tmp_path: Path, refusal: Handler) -> None:
    def no_filters(request: httpx.Request) -> httpx.Response:
        if "q" in request.url.params:
            return refusal(request)
        sims = [{"id": number, "iccid": iccid_of(number), "status": {"id": 0}} for number in range(1, 4)]
        return httpx.Response(200, json=sims, headers={"X-Total-Count": "3", "X-Total-Pages": "1"})

    async with scripted(tmp_path, behind_login(no_filters)) as rig:
        listing = await rig.reader.find(asked(iccid=[iccid_of(2)]))
        counted = await rig.reader.count_fleet()
    assert listing.inventory["sim_id"].to_list() == ["2"]
    assert counted == (3, 0)


def behind_login(carrier: Handler) -> Handler:
    """Lets everybody in, and answers the rest as told."""
    return lambda request: logged_in() if request.url.path.endswith("/authenticate") else carrier(request)
