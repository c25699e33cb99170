"""The form offers the accounts of the settings file by name, and the statuses that their carriers have."""

from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema

from flows.bulk_update import bulk_update
from flows.fleet_audit import fleet_audit
from flows.scheduled_updates import scheduled_updates
from simtandem.prefect_server.form_choices import with_accounts, with_goals


def schema_of(flow: Any) -> dict[str, Any]:
    return parameter_schema(flow).model_dump_for_openapi()


def test_every_field_for_an_account_offers_the_names_and_none() -> None:
    of_audit = with_accounts(schema_of(fleet_audit), ["eu", "us"])
    assert of_audit["properties"]["account"]["enum"] == ["", "eu", "us"]
    of_update = with_accounts(schema_of(bulk_update), ["eu", "us"])
    assert of_update["definitions"]["BulkUpdate"]["properties"]["account"]["enum"] == ["", "eu", "us"]


def test_without_a_settings_file_the_form_stays_as_it_is() -> None:
    schema = schema_of(fleet_audit)
    assert with_accounts(schema, ["default"]) == schema


EMNIFY = ["activated", "suspended", "factory_test"]


@pytest.mark.parametrize("flow", [bulk_update, scheduled_updates])
@pytest.mark.parametrize(
    ("carriers", "offered"),
    [
        ({"default": "emnify"}, EMNIFY),
        ({"us": "iot-accelerator"}, ["activated", "suspended", "deactivated"]),
        ({"eu": "emnify", "us": "iot-accelerator"}, [*EMNIFY, "deactivated"]),
        ({"eu": "emnify", "us": "aeradmin"}, [*EMNIFY, "provisioned"]),
        ({"eu": "emnify", "us": "?"}, [*EMNIFY, "provisioned", "deactivated"]),
    ],
)
def test_a_form_offers_the_statuses_of_the_accounts_carriers(
    flow: Any, carriers: dict[str, str], offered: list[str]
) -> None:
    schema = with_goals(schema_of(flow), carriers)
    assert schema["definitions"]["Wish"]["enum"] == ["as in the file", *offered]


def test_a_form_says_which_account_has_which_status_and_what_its_carrier_calls_it() -> None:
    carriers = {"eu": "emnify", "us": "iot-accelerator", "ca": "iot-accelerator"}
    told = with_goals(schema_of(scheduled_updates), carriers)["properties"]["to"]["description"]
    assert "us, ca at iot-accelerator: activated (ACTIVE), suspended (PAUSE), deactivated (DEACTIVATED)." in told
    of_emnify = with_goals(schema_of(scheduled_updates), {"eu": "emnify"})["properties"]["to"]["description"]
    assert of_emnify == "The status for rows without one of their own."
