"""What can be set about the emulated IoT Accelerator: limits at what is published, and what no document says."""

from dataclasses import dataclass
from typing import ClassVar

from simtandem.emulator.adjustable import Adjustable


@dataclass(slots=True)
class IotAcceleratorBehaviour(Adjustable):
    """The settings.

    Published limits, by what they are for: `auth_`, `requests_` (changes of state), `details_` (details and lists),
    `changes_` (the feed; inferred, as the limit of the paths above it) and `dcp_` (polling and finding; none is
    published, so 0 for none), each `per_second` and `per_minute`. `rate_window`: whether they count in any second
    and minute (`sliding`) or in those of the clock (`fixed`): not documented.

    Requests. `pending_s`, then `work_s` and `sim_s` for each subscription, until a request is done. `batch`: whether
    one unknown or locked subscription rejects a whole request (`atomic`) or fails alone (`partial`).
    `same_state`: a change to the state that is held is `failed` or `completed`. `most_identifiers`: above it a
    request for changes or details is refused; 10,000 is the limit of older interfaces. `quarantine_days`: how long a
    TERMINATED subscription can come back. `found_as`: how `find` gives ids, as `objects` with `subscriptionRequestId`
    or as `strings`. `request_page`: how many subscriptions a page of a request has where the caller does not say.

    Tokens. `bearer_life_s`, `access_life_s`; `expiry`: whether `expirationTime` is the `epoch` in milliseconds or how
    many of them are `left`.

    Else. `unknown_identifiers`: details without the unknown ones (`omitted`), or none at all (`refused` with 404).
    `changes_ready_s`: how long the feed takes; until then a page is empty and has a `next`.
    """

    choices: ClassVar[dict[str, tuple[object, ...]]] = {
        "rate_window": ("sliding", "fixed"),
        "batch": ("partial", "atomic"),
        "same_state": ("failed", "completed"),
        "found_as": ("objects", "strings"),
        "expiry": ("epoch", "left"),
        "unknown_identifiers": ("omitted", "refused"),
    }

    auth_per_second: int = 5
    auth_per_minute: int = 60
    requests_per_second: int = 10
    requests_per_minute: int = 100
    details_per_second: int = 10
    details_per_minute: int = 150
    changes_per_second: int = 10
    changes_per_minute: int = 100
    dcp_per_second: int = 0
    dcp_per_minute: int = 0
    rate_window: str = "sliding"
    pending_s: float = 0.0
    work_s: float = 1.0
    sim_s: float = 0.0
    batch: str = "partial"
    same_state: str = "failed"
    most_identifiers: int = 10_000
    quarantine_days: float = 60.0
    found_as: str = "objects"
    request_page: int = 1000
    bearer_life_s: float = 300.0
    access_life_s: float = 1800.0
    expiry: str = "epoch"
    unknown_identifiers: str = "omitted"
    changes_ready_s: float = 0.0
    latency_s: float = 0.0
