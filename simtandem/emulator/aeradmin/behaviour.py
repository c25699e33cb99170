"""What can be set about the emulated AerAdmin: all of it is either a contract's matter or known to nobody."""

from dataclasses import dataclass
from typing import ClassVar

from simtandem.emulator.adjustable import Adjustable

UNKNOWN_DEVICE, REFUSED_CHANGE = -1, -2
"""Result codes of the emulator. They are negative so that nobody takes them for Aeris's, which are not published."""


@dataclass(slots=True)
class AerAdminBehaviour(Adjustable):
    """The settings.

    Words of `deviceStatus`. `billed_word` alone was ever seen in an answer; `provisioned_word`, `suspended_word` and
    `canceled_word` are stand-ins.

    Known to nobody. `unknown_device`: a device that the account does not have is answered with a result code of the
    emulator (`code`) or as one that was never provisioned (`1047`). `canceled_device`: still `shown`, or answered as
    an `unknown` one. `same_state`: a change to the state that is held is answered `ok` or `refused`.
    `change_takes_s`: how long after its answer a change shows. `change_reaches`: every profile of the `device`, or
    the `profile` that was named. `calls_per_second`: 0 for no limit, as none is published; above it a 429.

    A contract's matter. `assigned_to_billed`: whether an Assigned SIM may be billed at once. `suspension_fee`: what
    entering Suspended costs, for the counts only. `provision_days`, `provision_kb`, `provision_sms`,
    `provision_traffic_days` and `suspend_days` end Provisioned and Suspended, `assigned_days` cancels an Assigned SIM;
    0 for never. That the first ones end in Active-billed is inferred.
    """

    choices: ClassVar[dict[str, tuple[object, ...]]] = {
        "unknown_device": ("code", "1047"),
        "canceled_device": ("shown", "unknown"),
        "same_state": ("ok", "refused"),
        "change_reaches": ("device", "profile"),
    }

    billed_word: str = "Bill"
    provisioned_word: str = "Provision"
    suspended_word: str = "Suspend"
    canceled_word: str = "Cancel"
    unknown_device: str = "code"
    canceled_device: str = "shown"
    same_state: str = "ok"
    change_takes_s: float = 0.0
    change_reaches: str = "device"
    calls_per_second: int = 0
    latency_s: float = 0.0
    assigned_to_billed: bool = False
    suspension_fee: float = 0.0
    provision_days: float = 0.0
    provision_kb: float = 0.0
    provision_sms: int = 0
    provision_traffic_days: int = 0
    suspend_days: float = 0.0
    assigned_days: float = 0.0
