from pathlib import Path

import pytest

from simtandem.carriers.host_slots import HostSlots
from simtandem.carriers.rate_limit import CallBudget
from simtandem.errors import CarrierUnavailable, LedgerError


def test_a_damaged_file_is_named_with_what_to_do_about_it(tmp_path: Path) -> None:
    file = tmp_path / "budget.sqlite"
    file.write_bytes(b"garbage" * 1000)
    with pytest.raises(LedgerError, match=r"budget\.sqlite, can't be used .*remove it, and run again"):
        HostSlots(file)


def test_a_budget_file_that_cannot_be_written_is_a_ledger_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "budget.sqlite").mkdir()
    with pytest.raises(LedgerError, match="SIMTANDEM_HOME"):
        HostSlots(tmp_path / "budget.sqlite")


def test_a_carrier_that_asks_for_an_hour_is_not_waited_for(tmp_path: Path) -> None:
    own = CallBudget(HostSlots(tmp_path / "budget.sqlite"))
    with pytest.raises(CarrierUnavailable, match="asks to wait 3600 s"):
        own.throttled(3600)
    own.close()
