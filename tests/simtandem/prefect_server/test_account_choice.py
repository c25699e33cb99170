"""The form offers the accounts of the settings file by name, wherever a flow takes one."""

from prefect.utilities.callables import parameter_schema

from flows.bulk_update import bulk_update
from flows.fleet_audit import fleet_audit
from simtandem.prefect_server.account_choice import with_accounts


def test_every_field_for_an_account_offers_the_names_and_none() -> None:
    of_audit = with_accounts(parameter_schema(fleet_audit).model_dump_for_openapi(), ["eu", "us"])
    assert of_audit["properties"]["account"]["enum"] == ["", "eu", "us"]
    of_update = with_accounts(parameter_schema(bulk_update).model_dump_for_openapi(), ["eu", "us"])
    assert of_update["definitions"]["BulkUpdate"]["properties"]["account"]["enum"] == ["", "eu", "us"]


def test_without_a_settings_file_the_form_stays_as_it_is() -> None:
    schema = parameter_schema(fleet_audit).model_dump_for_openapi()
    assert with_accounts(schema, ["default"]) == schema
