"""How long the client of a call waits for its answer, by the call's path."""

import pytest

from simtandem.carriers.aeris.paths import STATE_CHANGES
from simtandem.carriers.emnify.paths import BULK, ENDPOINT, SIM
from simtandem.carriers.emnify.patience import ONE_WITHIN_S
from simtandem.carriers.patience import MANY_WITHIN_S
from simtandem.carriers.rate_limit import LONGEST_CALL_S
from simtandem.carriers.registry import patience_s


@pytest.mark.parametrize(
    ("path", "seconds"),
    [
        (f"{SIM}/1", ONE_WITHIN_S),
        (f"{ENDPOINT}/1", ONE_WITHIN_S),
        (f"{ENDPOINT}/1/connectivity", ONE_WITHIN_S),
        (BULK, MANY_WITHIN_S),
        ("/api/v1/endpoint/multi", MANY_WITHIN_S),
        (STATE_CHANGES, MANY_WITHIN_S),
        ("/AerAdmin_WS_5_0/rest/devices/state", MANY_WITHIN_S),
    ],
)
def test_one_item_is_waited_for_shortly_and_anything_else_long(path: str, seconds: float) -> None:
    assert patience_s(path) == seconds
    assert ONE_WITHIN_S < MANY_WITHIN_S < LONGEST_CALL_S
