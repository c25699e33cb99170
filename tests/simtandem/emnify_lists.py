"""Reading lists by emnify's words and ids, as tests that are about lists of any carrier do."""

from functools import partial

from schemas.statuses import Target
from simtandem import intake
from simtandem.carriers.emnify.lifecycle import EMNIFY

read_devices = partial(intake.read_devices, lifecycle=EMNIFY)
read_schedule = partial(intake.read_schedule, lifecycle=EMNIFY)


def parse_target(text: str) -> Target | None:
    """As `intake.parse_target`."""
    return intake.parse_target(text, EMNIFY)
