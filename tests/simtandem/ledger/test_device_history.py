"""The history of one device, on either database."""

import pytest

from simtandem.ledger.device_history import ids_in, of_device
from simtandem.ledger.store import Ledger

ICCID = "8988303000000000011"


@pytest.mark.parametrize(("kind", "ident"), [("sim_id", "11"), ("endpoint_id", "21"), ("iccid", ICCID)])
def test_rows_and_explained_changes_of_all_runs_are_found_by_any_id(whole_run: Ledger, kind: str, ident: str) -> None:
    found = of_device(whole_run, kind, ident)
    for run_id in ("another", "20260131-a"):
        lines = found.filter(run_id=run_id).select("row", "half", "before", "after", "verdict", "cause").rows()
        assert sorted(lines, key=str) == [
            (2, None, "Issued / Disabled", "Activated / Enabled", "in_sync", None),
            (4, None, "Issued", "Activated", "no verdict", None),
            (None, "endpoint", "Disabled", "Enabled", None, "unexplained"),
            (None, "sim", "Issued", "Activated", None, "ours"),
        ]
    assert found.height == 8
    assert found["at"].is_sorted()


@pytest.mark.parametrize("asked", [ICCID, f"{ICCID}4"])
@pytest.mark.parametrize("digit", ["", "4"])
def test_an_iccid_is_found_with_its_check_digit_and_without(whole_run: Ledger, asked: str, digit: str) -> None:
    with whole_run.database.write() as connection:
        for table in ("plan_rows", "verdicts", "explained"):  # as a carrier shows it
            connection.exec_driver_sql(f"UPDATE {table} SET iccid = iccid || '{digit}', sim_id = NULL")  # noqa: S608
    assert of_device(whole_run, "iccid", asked).height == 8
    assert of_device(whole_run, "iccid", ICCID[:-1]).is_empty()


def test_another_device_or_account_has_none_of_it(whole_run: Ledger) -> None:
    assert of_device(whole_run, "sim_id", "12").is_empty()
    assert of_device(whole_run, "sim_id", "11", "elsewhere").is_empty()
    assert of_device(whole_run, "sim_id", "11", "default").height == 8


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("7", {"sim_id": "7", "endpoint_id": "7"}),
        (" sim_id=7", {"sim_id": "7"}),
        (ICCID, {"iccid": ICCID}),
        (f"{ICCID}4", {"iccid": f"{ICCID}4"}),
        (f"iccid={ICCID}4", {"iccid": f"{ICCID}4"}),
        ("99987100883000170205", {"iccid": "99987100883000170205"}),
        ("depot", {}),
        ("name=7", {}),
    ],
)
def test_what_an_id_can_be(text: str, ids: dict[str, str]) -> None:
    assert ids_in(text) == ids
