"""The history of one device."""

import json
from typing import Any

import polars as pl
import pytest

from schemas.parameters import Mode
from simtandem.cli.show import lines_of, show_device
from simtandem.errors import InputError
from simtandem.runs.device_findings import FINDING_HISTORY
from tests.simtandem.cli.past_runs import Past
from tests.simtandem.runs.acting_carrier import Refused


def shown(device: str, capsys: pytest.CaptureFixture[str]) -> Any:
    show_device(device, as_json=True)
    return json.loads(capsys.readouterr().out)


def test_every_run_of_a_device_is_told_oldest_first_by_whichever_id(
    past: Past, capsys: pytest.CaptureFixture[str]
) -> None:
    first = past.run("1,activated\n2,activated\n")
    past.carrier.acts = {"1": [Refused()]}
    second = past.run("2,suspended\n1,suspended\n")
    told = shown("1", capsys)
    assert [(line["run_id"], line["row"], line["verdict"]) for line in told["history"]] == [
        (first, 2, "in_sync"),
        (second, 3, "failed"),
    ]
    assert (told["history"][0]["before"], told["history"][0]["after"]) == ("Issued+Disabled", "Activated+Enabled")
    assert (told["device"]["sim_id"], told["device"]["endpoint_id"]) == (["1"], ["101"])
    assert shown("101", capsys) == shown("sim_id=1", capsys) == shown(told["device"]["iccid"][0], capsys) == told


def test_a_run_that_came_to_no_verdict_is_told_as_well(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    run = past.run("1,activated\n", killed=True)
    [line] = shown("1", capsys)["history"]
    assert (line["run_id"], line["verdict"], line["after"]) == (run, "no verdict", "Activated")
    assert line["reason"], "what the record says of it"


def test_a_person_reads_runs_states_and_how_to_see_what_would_happen_now(
    past: Past, capsys: pytest.CaptureFixture[str]
) -> None:
    run = past.run("1,activated\n")
    show_device("1", as_json=False)
    said = capsys.readouterr().out
    assert f"{run}  apply, row 2 of devices.csv" in said
    assert "  Issued+Disabled → Activated+Enabled: in sync" in said
    assert said.rstrip().endswith(r"printf 'sim_id\n1\n' | simtandem plan - --to activated")


def test_a_number_that_is_a_sim_and_another_devices_endpoint_is_not_guessed(past: Past) -> None:
    past.carrier.fleet.devices[1].endpoint_id = "1"
    past.run("1,activated\n2,activated\n")
    with pytest.raises(InputError, match="Write sim_id=1 or endpoint_id=1"):
        show_device("1", as_json=True)


@pytest.mark.parametrize(
    ("device", "says"),
    [("9", "no run and no audit"), ("depot", "not an id"), ("name=9", "not an id"), ("", "not an id")],
)
def test_what_no_run_had_or_is_no_id_is_said(past: Past, device: str, says: str) -> None:
    past.run("1,activated\n", mode=Mode.PLAN)
    with pytest.raises(InputError, match=says):
        show_device(device, as_json=True)


def test_what_audits_found_is_told_where_it_began_and_for_how_long(
    past: Past, capsys: pytest.CaptureFixture[str]
) -> None:
    run = past.run("1,activated\n")
    line = {"at": "2026-01-01T00:00:00.000Z", "run_id": run, "kind": "audit", "finding": "paying_but_off", "audits": 3}
    told = {**line, "last_audit": "20260104-b", "after": "Activated+Disabled", "reason": "enable it"}
    [head, body] = [str(each) for each in lines_of(pl.DataFrame([told], schema=FINDING_HISTORY))]
    assert head == f"2026-01-01 00:00:00  {run}  audit"
    assert body == "  Activated+Disabled: paying but off (3 audits in a row, last 20260104-b): enable it"
    assert all(each["finding"] is None for each in shown("1", capsys)["history"])
