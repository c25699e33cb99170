import polars as pl
import pytest

from schemas.tables import Inventory, Owners, empty
from simtandem.emulator.aeradmin.states import State
from simtandem.rehearsal.stage import Listed, stage_of
from simtandem.settings import Settings

INVENTORY = empty(Inventory).schema


def listed(*rows: tuple[str | None, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=INVENTORY, orient="row")


def test_pairs_keep_their_ids_statuses_and_owners() -> None:
    inventory = listed(
        ("7", "8988303000000000001", "Activated", "9", "Disabled"),
        ("8", "8988303000000000002", "Issued", None, None),
        (None, None, None, "11", "Enabled"),
        ("12", "8988303000000000003", None, None, None),
    )
    owners = pl.DataFrame([("7", "5", None, "6")], schema=empty(Owners).schema, orient="row")
    fleet = stage_of(Settings(), Listed(inventory, owners), faults=False).application._world.fleet  # type: ignore[attr-defined]

    assert [(sim.id, sim.iccid, str(sim.status), sim.endpoint_id) for sim in fleet.sims.values()] == [
        (7, "8988303000000000001", "Activated", 9),
        (8, "8988303000000000002", "Issued", None),
    ], "what has no known status is left out"
    assert [(each.id, str(each.status), each.sim_id) for each in fleet.endpoints.values()] == [
        (9, "Disabled", 7),
        (11, "Enabled", None),
    ]
    assert (fleet.sims[7].customer_org, fleet.sims[7].reseller_org, fleet.sims[7].issuer_org) == (5, None, 6)


@pytest.mark.parametrize(
    ("carrier", "word", "where"),
    [("aeradmin", "Active-billed", "aeradmin_url"), ("iot-accelerator", "PAUSE", "iot_accelerator_url")],
)
def test_each_carrier_has_its_emulator(carrier: str, word: str, where: str) -> None:
    iccid = "8918512000012345678"
    words = "Active-billed=bill"
    given = {"carrier": carrier, "aeradmin_change_method": "PUT", "aeradmin_change_path": "up/{id}/{word}"}
    given["aeradmin_change_words"] = words
    settings = Settings.model_validate(given | {"aeradmin_assigned_to_billed": True})
    stage = stage_of(settings, Listed(listed((iccid, iccid, word, None, None))), faults=True)

    assert stage.settings[where] == "http://127.0.0.1"
    site = stage.application._site  # type: ignore[attr-defined]
    assert site.faults.rules
    if carrier == "aeradmin":
        assert [(each.iccid, each.state) for each in site.fleet.profiles()] == [(iccid, State.ACTIVE_BILLED)]
        assert site.state_change.words == {"bill": State.ACTIVE_BILLED}
        assert site.settings.assigned_to_billed, "as the contract in the settings allows"
    else:
        assert [(each.icc, str(each.state)) for each in site.inventory.subscriptions] == [(iccid, word)]


def test_without_faults_there_are_none() -> None:
    stage = stage_of(Settings(), Listed(listed()), faults=False)
    assert stage.application._world.faults.rules == []  # type: ignore[attr-defined]
