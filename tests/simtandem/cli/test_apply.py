import pytest

from schemas.parameters import BulkUpdate
from simtandem.cli import apply
from simtandem.cli.console import Output
from simtandem.errors import InputError


def test_without_a_terminal_nothing_is_sent_unless_that_was_said_before() -> None:
    with pytest.raises(InputError, match="--yes"):
        apply.carry_out(BulkUpdate(file="devices.csv"), Output(), yes=False)
