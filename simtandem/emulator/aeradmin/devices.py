"""Devices and their profiles, and what the clock and traffic do to them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from simtandem.emulator.aeradmin.behaviour import AerAdminBehaviour
from simtandem.emulator.aeradmin.states import MOVES, State, state_called
from simtandem.emulator.numbering import luhn_digit

DAY_S = 86_400.0
_FIRST = 12_345_678  # the device profile id that was recorded ends so


@dataclass(slots=True)
class Profile:
    """One SIM of a device: an element of `deviceAttributes`."""

    iccid: str
    imsi: str
    msisdn: str
    state: State
    since: float
    billed_since: float | None = None
    pending: tuple[State, float] | None = None
    kb: float = 0.0
    sms: int = 0
    traffic_days: int = 0
    suspensions: int = 0
    shown_as: str = ""
    result: tuple[int, str] = (0, "OK")

    def enter(self, state: State, now: float) -> None:
        """Be in this state from now on."""
        if state is self.state:
            return
        self.state, self.since = state, now
        self.kb = self.sms = self.traffic_days = 0
        if state is State.ACTIVE_BILLED and self.billed_since is None:
            self.billed_since = now
        if state is State.SUSPENDED:
            self.suspensions += 1


@dataclass(slots=True)
class Device:
    """A device profile with its SIMs. `shown_as` of a profile is a word in place of its state's, for a test."""

    profile_id: str
    profiles: list[Profile]


@dataclass(frozen=True, slots=True)
class DeviceGroup:
    """`count` devices alike, each with a SIM for every one of `states`. An ICCID can be chosen for a single SIM only.

    ICCIDs have 19 or 20 digits at Aeris: `iccid_digits`.
    """

    count: int = 1
    states: tuple[State, ...] = (State.ASSIGNED,)
    iccid: str = ""
    iccid_digits: int = 19

    def __post_init__(self) -> None:
        if self.count < 0 or not self.states:
            raise ValueError("count must not be negative, and a device has at least one state")
        if self.iccid and (self.count != 1 or len(self.states) != 1):
            raise ValueError("an ICCID can be chosen for a single SIM only")
        if self.iccid_digits not in (19, 20):
            raise ValueError(f"iccid_digits is 19 or 20: {self.iccid_digits}")


def mixture(devices: int) -> list[DeviceGroup]:
    """A mixed fleet: about half of it billed; from 20 on, every state and a device with two SIMs."""
    least = 1 if devices >= 20 else 0
    shares = {State.ASSIGNED: 200, State.PROVISIONED: 100, State.SUSPENDED: 100, State.CANCELED: 20}
    groups = [DeviceGroup(max(least, devices * share // 1000), (state,)) for state, share in shares.items()]
    groups.append(DeviceGroup(max(least, devices // 100), (State.ACTIVE_BILLED, State.ACTIVE_BILLED)))
    return [DeviceGroup(devices - sum(group.count for group in groups), (State.ACTIVE_BILLED,)), *groups]


@dataclass(slots=True)
class DeviceFleet:
    """The account's devices. Numbers rise in the order given: the same fleet each time."""

    devices: list[Device] = field(default_factory=list)
    by_id: dict[tuple[str, str], tuple[Device, Profile | None]] = field(default_factory=dict)

    @classmethod
    def filled(cls, devices: int | Iterable[DeviceGroup], now: float) -> "DeviceFleet":
        """A mixture of so many devices, or exactly these groups."""
        fleet, sims = cls(), 0
        for group in mixture(devices) if isinstance(devices, int) else devices:
            for _ in range(group.count):
                numbers = range(_FIRST + sims, _FIRST + sims + len(group.states))
                sims += len(group.states)
                profiles = [
                    _profile(number, group, state, now) for number, state in zip(numbers, group.states, strict=True)
                ]
                fleet._add(Device(f"AER{numbers[0]:013d}", profiles))
        return fleet

    def find(self, kind: str, value: str) -> tuple[Device, Profile | None] | None:
        """The device with this id, and the profile where the id is a SIM's."""
        return self.by_id.get((kind, value))

    def profiles(self) -> Iterator[Profile]:
        """Every SIM."""
        for device in self.devices:
            yield from device.profiles

    def summary(self, now: float, behaviour: AerAdminBehaviour) -> dict[str, Any]:
        """How many SIMs are in each state, and what suspending them cost."""
        states = dict.fromkeys(State, 0)
        suspensions = 0
        for profile in self.profiles():
            pass_time(profile, now, behaviour)
            states[profile.state] += 1
            suspensions += profile.suspensions
        return {
            "devices": len(self.devices),
            "states": states,
            "suspensions": suspensions,
            "suspension_fees": suspensions * behaviour.suspension_fee,
        }

    def _add(self, device: Device) -> None:
        self.devices.append(device)
        self.by_id["deviceProfileId", device.profile_id] = device, None
        for profile in device.profiles:
            self.by_id["ICCID", profile.iccid] = device, profile
            self.by_id["IMSI", profile.imsi] = device, profile


def _profile(number: int, group: DeviceGroup, state: State, now: float) -> Profile:
    nineteen = f"8918512{number:012d}"
    iccid = group.iccid or (nineteen if group.iccid_digits == 19 else nineteen + luhn_digit(nineteen))
    billed = now if state in (State.ACTIVE_BILLED, State.SUSPENDED) else None
    return Profile(iccid, f"20404{number:010d}", f"1{number:010d}", state, now, billed)


def may_move(before: State, after: State, behaviour: AerAdminBehaviour) -> bool:
    """Whether a change may do this."""
    if (before, after) == (State.ASSIGNED, State.ACTIVE_BILLED):
        return behaviour.assigned_to_billed
    return (before, after) in MOVES


def pass_time(profile: Profile, now: float, behaviour: AerAdminBehaviour) -> None:
    """Bring a SIM to where the clock and its traffic have brought it by now."""
    if profile.pending is not None and now >= profile.pending[1]:
        state, at = profile.pending
        profile.pending = None
        profile.enter(state, at)
    days = {
        State.ASSIGNED: (behaviour.assigned_days, State.CANCELED),
        State.PROVISIONED: (behaviour.provision_days, State.ACTIVE_BILLED),
        State.SUSPENDED: (behaviour.suspend_days, State.ACTIVE_BILLED),
    }
    most, then = days.get(profile.state, (0.0, profile.state))
    if most and now >= profile.since + most * DAY_S:
        profile.enter(then, profile.since + most * DAY_S)
    if profile.state is State.PROVISIONED and _crossed(profile, behaviour):
        profile.enter(State.ACTIVE_BILLED, now)


def _crossed(profile: Profile, behaviour: AerAdminBehaviour) -> bool:
    used = (
        (profile.kb, behaviour.provision_kb),
        (profile.sms, behaviour.provision_sms),
        (profile.traffic_days, behaviour.provision_traffic_days),
    )
    return any(most and amount >= most for amount, most in used)


def group_from_json(given: dict[str, object]) -> DeviceGroup:
    """A group from `count`, `state` or `states`, `iccid`, `iccid_digits`. Raises ValueError or TypeError."""
    fields = dict(given)
    states = fields.pop("states", None) or [fields.pop("state", State.ASSIGNED)]
    if not isinstance(states, list):
        raise TypeError("states must be an array")
    return DeviceGroup(states=tuple(map(state_called, states)), **fields)  # type: ignore[arg-type]  # TypeError is the promise
