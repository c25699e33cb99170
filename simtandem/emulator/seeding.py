"""Filling a fleet: from groups of like devices, or with the mixture a real inventory shows."""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.batches import Batch
from simtandem.emulator.fleet import Fleet

Status = TypeVar("Status", SimStatus, EndpointStatus)


@dataclass(frozen=True, slots=True)
class Group:
    """`count` devices alike. A half that is `None` does not exist. Ids can be chosen for a group of one only.

    `tags`, separated by commas, are those of every endpoint. With a `bic`, their SIMs are a batch, to be registered by
    it. They are in the inventory before that, too.
    """

    count: int = 1
    sim: SimStatus | None = SimStatus.ISSUED
    endpoint: EndpointStatus | None = EndpointStatus.DISABLED
    sim_id: int | None = None
    iccid: str | None = None
    endpoint_id: int | None = None
    name: str | None = None
    tags: str | None = None
    bic: str | None = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"count must not be negative: {self.count}")
        if self.sim is None and self.endpoint is None:
            raise ValueError("a device needs a SIM or an endpoint")
        if self.count != 1 and (self.sim_id or self.iccid or self.endpoint_id or self.name):
            raise ValueError("ids, ICCID and name can be chosen for a single device only")

    @classmethod
    def from_json(cls, fields: dict[str, object]) -> "Group":
        """From an object with these fields; statuses in words. Raises ValueError or TypeError for anything else."""
        given = dict(fields)
        if unknown := sorted(given.keys() - {each.name for each in dataclasses.fields(cls)}):
            raise ValueError(f"no such fields in a group: {', '.join(unknown)}")
        if given.get("sim") is not None:
            given["sim"] = status_called(SimStatus, given["sim"])
        if given.get("endpoint") is not None:
            given["endpoint"] = status_called(EndpointStatus, given["endpoint"])
        return cls(**given)  # type: ignore[arg-type]  # a wrong type raises TypeError, which is the promise


def status_called(kind: type[Status], word: object) -> Status:
    """The status with this word; raises ValueError, which names those there are."""
    for status in kind:
        if status == word:
            return status
    raise ValueError(f"no status is called {word!r}: it is one of {', '.join(kind)}")


_MIXTURE = (
    # per mille, SIM, endpoint; those that were in use have the tag `field`, the others `stock`
    (200, SimStatus.ACTIVATED, EndpointStatus.ENABLED),
    (100, SimStatus.SUSPENDED, EndpointStatus.DISABLED),
    (20, SimStatus.ACTIVATED, EndpointStatus.DISABLED),  # paying but off
    (20, SimStatus.SUSPENDED, EndpointStatus.ENABLED),  # appears active but can't connect
    (20, SimStatus.ACTIVATED, None),  # paying for nothing
    (20, None, EndpointStatus.DISABLED),  # can never work
    (20, SimStatus.FACTORY_TEST, EndpointStatus.ENABLED),
)


def mixture(devices: int) -> list[Group]:
    """A mixed fleet: about 60 % resting before use, the rest in use, at rest, or odd; from 20 on, every kind."""
    least = 1 if devices >= 20 else 0
    others = [
        Group(max(least, devices * share // 1000), sim, endpoint, tags="field") for share, sim, endpoint in _MIXTURE
    ]
    return [Group(devices - sum(group.count for group in others), tags="stock"), *others]


def build_fleet(devices: int | Iterable[Group], clock: Callable[[], float]) -> Fleet:
    """A new fleet: a mixture of so many devices, or exactly these groups, ids rising in the order given."""
    fleet = Fleet(clock)
    for group in mixture(devices) if isinstance(devices, int) else devices:
        for _ in range(group.count):
            sim = fleet.add_sim(group.sim, sim_id=group.sim_id, iccid=group.iccid) if group.sim else None
            if sim and group.bic:
                fleet.batches.setdefault(group.bic, Batch()).sim_ids.append(sim.id)
            if group.endpoint:
                endpoint = fleet.add_endpoint(group.endpoint, sim, endpoint_id=group.endpoint_id)
                endpoint.name, endpoint.tags = group.name, group.tags
    return fleet
