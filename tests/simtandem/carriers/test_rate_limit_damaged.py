from pathlib import Path

import pytest

from simtandem.carriers.rate_limit import CallBudget
from simtandem.errors import LedgerError


def test_a_damaged_file_is_named_with_what_to_do_about_it(tmp_path: Path) -> None:
    file = tmp_path / "budget.sqlite"
    file.write_bytes(b"garbage" * 1000)
    with pytest.raises(LedgerError, match=r"budget\.sqlite, can't be used .*remove it, and run again"):
        CallBudget(file)
