"""The carrier's books: all SIMs, endpoints and events. Pure state; knows nothing of HTTP.

`patch_*` is what a caller of the API does and obeys the rules. `drift_*` is what happens without that caller: the
carrier moving a SIM, or someone at the portal.
"""

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable

from schemas.event_types import type_of
from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.batches import Batch
from simtandem.emulator.devices import (
    ENDPOINT_MOVES,
    SIM_MOVES,
    Endpoint,
    InUseError,
    Look,
    MoveError,
    PairViolation,
    Sim,
    UnknownIdError,
)
from simtandem.emulator.events import Event, EventType, Source
from simtandem.emulator.numbering import FIRST_ENDPOINT_ID, FIRST_SIM_ID, iccid_of, ip_address_of, name_of


class Fleet:
    """All SIMs and endpoints. `version` grows with every change of what a listing would show."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.sims: dict[int, Sim] = {}
        self.endpoints: dict[int, Endpoint] = {}
        self.events: list[Event] = []
        self.pair_violations: list[PairViolation] = []
        self.blacklists: defaultdict[int, list[int]] = defaultdict(list)  # operators, by endpoint
        self.sms: defaultdict[int, list[dict[str, object]]] = defaultdict(list)  # those sent, by endpoint
        self.batches: dict[str, Batch] = {}
        self.sim_looks: dict[int, Look] = {}
        self.endpoint_looks: dict[int, Look] = {}
        self.version = 0
        self.sim_ids: list[int] = []
        self.endpoint_ids: list[int] = []
        self._last_endpoint_id = FIRST_ENDPOINT_ID - 1  # the id of a deleted endpoint is never given again
        self._sim_by_iccid: dict[str, int] = {}
        self._clock = clock

    def add_sim(self, status: SimStatus, *, sim_id: int | None = None, iccid: str | None = None) -> Sim:
        """A new SIM, with the next free id unless one is given."""
        if sim_id is None:
            sim_id = self.sim_ids[-1] + 1 if self.sim_ids else FIRST_SIM_ID
        iccid = iccid or iccid_of(sim_id)
        if sim_id in self.sims or iccid in self._sim_by_iccid:
            raise ValueError(f"SIM {sim_id} with ICCID {iccid} is there already")
        never_on = status in {SimStatus.ISSUED, SimStatus.FACTORY_TEST}
        sim = Sim(sim_id, iccid, status, activated_at=None if never_on else self._clock())
        self.sims[sim_id] = sim
        self._sim_by_iccid[iccid] = sim_id
        _insert(self.sim_ids, sim_id)
        self.version += 1
        return sim

    def add_endpoint(
        self, status: EndpointStatus, sim: Sim | None = None, *, endpoint_id: int | None = None
    ) -> Endpoint:
        """A new endpoint, assigned to `sim` where one is given, with the next free id unless one is given."""
        if endpoint_id is None:
            endpoint_id = self._last_endpoint_id + 1
        if endpoint_id in self.endpoints:
            raise ValueError(f"endpoint {endpoint_id} is there already")
        now = self._clock()
        endpoint = Endpoint(endpoint_id, status, now, now, sim_id=sim.id if sim else None)
        if sim:
            sim.endpoint_id = endpoint_id
        self.endpoints[endpoint_id] = endpoint
        self._last_endpoint_id = max(self._last_endpoint_id, endpoint_id)
        _insert(self.endpoint_ids, endpoint_id)
        self.version += 1
        return endpoint

    def sim(self, sim_id: int) -> Sim:
        """The SIM with this id; raises `UnknownIdError`."""
        try:
            return self.sims[sim_id]
        except KeyError:
            raise UnknownIdError(f"SIM {sim_id} not found") from None

    def endpoint(self, endpoint_id: int) -> Endpoint:
        """The endpoint with this id; raises `UnknownIdError`."""
        try:
            return self.endpoints[endpoint_id]
        except KeyError:
            raise UnknownIdError(f"endpoint {endpoint_id} not found") from None

    def sim_with_iccid(self, iccid: str) -> Sim | None:
        """The SIM with these 19 digits, if there is one."""
        sim_id = self._sim_by_iccid.get(iccid)
        return None if sim_id is None else self.sims[sim_id]

    def check_sim_move(self, sim_id: int, status: SimStatus) -> None:
        """Raise `UnknownIdError` or `MoveError` where `patch_sim` would; change nothing."""
        sim = self.sim(sim_id)
        if (sim.status, status) not in SIM_MOVES:
            raise MoveError(sim.status, status)

    def check_endpoint_move(self, endpoint_id: int, status: EndpointStatus) -> None:
        """Raise `UnknownIdError` or `MoveError` where `patch_endpoint` would; change nothing."""
        endpoint = self.endpoint(endpoint_id)
        if (endpoint.status, status) not in ENDPOINT_MOVES:
            raise MoveError(endpoint.status, status)

    def patch_sim(self, sim_id: int, status: SimStatus) -> None:
        """Change a SIM's status as a caller of the API may; raises `UnknownIdError` or `MoveError`."""
        self.check_sim_move(sim_id, status)
        sim = self.sims[sim_id]
        before = sim.status
        self._set_sim(sim, status, Source.API)
        self._note_pair(sim, before)

    def patch_endpoint(self, endpoint_id: int, status: EndpointStatus) -> None:
        """Change an endpoint's status as a caller of the API may; raises `UnknownIdError` or `MoveError`.

        While the SIM is in Factory Test, the carrier activates it on this occasion, permanently.
        """
        self.check_endpoint_move(endpoint_id, status)
        endpoint = self.endpoints[endpoint_id]
        self._set_endpoint(endpoint, status)
        if endpoint.sim_id is None:
            return
        sim = self.sims[endpoint.sim_id]
        before = sim.status
        if before is SimStatus.FACTORY_TEST:
            description = "SIM activated after endpoint status changed during factory test."
            self._set_sim(sim, SimStatus.ACTIVATED, Source.POLICY_CONTROL, description)
        self._note_pair(sim, before)

    def change_endpoint(self, endpoint_id: int, fields: dict[str, object]) -> None:
        """Set fields of an endpoint other than its status and its SIM; raises `UnknownIdError`."""
        endpoint = self.endpoint(endpoint_id)
        for name, value in fields.items():
            setattr(endpoint, name, value)
        if fields:
            self._touch(endpoint)

    def assign(self, endpoint_id: int, sim_id: int) -> None:
        """Give a SIM to an endpoint, in place of the one it has; raises `UnknownIdError` or `InUseError`."""
        endpoint, sim = self.endpoint(endpoint_id), self.sim(sim_id)
        if sim.endpoint_id == endpoint_id:
            return
        if sim.endpoint_id is not None:
            raise InUseError(f"SIM with Id '{sim_id}' is already assigned to Endpoint with Id '{sim.endpoint_id}'.")
        self.release(endpoint_id)
        endpoint.sim_id, sim.endpoint_id = sim_id, endpoint_id
        self._touch(endpoint)
        self._record(EventType.SIM_ASSIGNED, f"SIM {sim_id} assigned to endpoint {endpoint_id}", Source.API, sim=sim)
        self._note_pair(sim, sim.status)

    def release(self, endpoint_id: int) -> None:
        """Take the SIM from an endpoint, if it has one; raises `UnknownIdError`."""
        endpoint = self.endpoint(endpoint_id)
        if endpoint.sim_id is None:
            return
        sim = self.sims[endpoint.sim_id]
        self._record(EventType.SIM_RELEASED, f"SIM {sim.id} released from endpoint {endpoint_id}", Source.API, sim=sim)
        endpoint.sim_id = sim.endpoint_id = None
        self._touch(endpoint)

    def delete_sim(self, sim_id: int) -> None:
        """Delete a SIM as a caller may; raises `UnknownIdError`, or `InUseError` where it has an endpoint."""
        sim = self.sim(sim_id)
        if sim.endpoint_id is not None:
            raise InUseError(f"SIM with Id '{sim_id}' is assigned to Endpoint with Id '{sim.endpoint_id}'.")
        self.drift_delete_sim(sim_id)

    def delete_endpoint(self, endpoint_id: int) -> None:
        """Delete an endpoint as a caller may; raises `UnknownIdError`, or `InUseError` where it has a SIM."""
        endpoint = self.endpoint(endpoint_id)
        if endpoint.sim_id is not None:
            raise InUseError(f"Endpoint with Id '{endpoint_id}' has SIM with Id '{endpoint.sim_id}' assigned.")
        self.drift_delete_endpoint(endpoint_id)

    def reset_connectivity(self, endpoint_id: int) -> None:
        """Have a device attach anew; raises `UnknownIdError`. A SIM in Factory Test is activated on this occasion."""
        endpoint = self.endpoint(endpoint_id)
        self._record(EventType.RESET_CONNECTIVITY, "Connectivity reset triggered.", Source.API, endpoint=endpoint)
        if endpoint.sim_id is None or self.sims[endpoint.sim_id].status is not SimStatus.FACTORY_TEST:
            return
        sim = self.sims[endpoint.sim_id]
        description = "SIM activated after connectivity reset during factory test."
        self._set_sim(sim, SimStatus.ACTIVATED, Source.POLICY_CONTROL, description)
        self._note_pair(sim, SimStatus.FACTORY_TEST)

    def register(self, batch: Batch) -> None:
        """Write down that a batch of SIMs was registered. Only where it is a single SIM, the event names it."""
        single = self.sims[batch.sim_ids[0]] if len(batch.sim_ids) == 1 else None
        description = f"{len(batch.sim_ids)} SIMs registered."
        self._record(EventType.SIM_REGISTRATION, description, Source.API, sim=single)

    def drift_event(
        self, kind: int, words: str, description: str, source: Source, *, sim_id: int | None, endpoint_id: int | None
    ) -> None:
        """An event of any type, known or not; raises `UnknownIdError`."""
        sim = None if sim_id is None else self.sim(sim_id)
        endpoint = None if endpoint_id is None else self.endpoint(endpoint_id)
        self._record(kind, description, source, words=words, sim=sim, endpoint=endpoint)

    def drift_volume_reached(self, sim_id: int) -> None:
        """The carrier activates a SIM in Factory Test; raises `MoveError` for any other SIM."""
        sim = self.sim(sim_id)
        if sim.status is not SimStatus.FACTORY_TEST:
            raise MoveError(sim.status, SimStatus.ACTIVATED)
        description = "SIM activated after factory test volume reached."
        self._set_sim(sim, SimStatus.ACTIVATED, Source.POLICY_CONTROL, description)

    def drift_sim(self, sim_id: int, status: SimStatus) -> None:
        """Someone at the portal sets a SIM's status. Any move goes, so that tests can make any state."""
        self._set_sim(self.sim(sim_id), status, Source.API)

    def drift_endpoint(self, endpoint_id: int, status: EndpointStatus) -> None:
        """Someone at the portal sets an endpoint's status. Any move goes; the SIM stays as it is."""
        self._set_endpoint(self.endpoint(endpoint_id), status)

    def drift_delete_sim(self, sim_id: int) -> None:
        """A SIM leaves the inventory; its endpoint stays, without SIM."""
        sim = self.sim(sim_id)
        self._record(EventType.SIM_DELETION, "SIM deleted.", Source.API, sim=sim)
        if sim.endpoint_id is not None:
            self.endpoints[sim.endpoint_id].sim_id = None
        del self.sims[sim_id], self._sim_by_iccid[sim.iccid]
        del self.sim_ids[bisect_left(self.sim_ids, sim_id)]
        self.version += 1

    def drift_delete_endpoint(self, endpoint_id: int) -> None:
        """An endpoint goes away; its SIM stays, without endpoint."""
        endpoint = self.endpoint(endpoint_id)
        if endpoint.sim_id is not None:
            self.sims[endpoint.sim_id].endpoint_id = None
        del self.endpoints[endpoint_id]
        del self.endpoint_ids[bisect_left(self.endpoint_ids, endpoint_id)]
        self.version += 1

    def drift_insert_first(self, listing: str) -> None:
        """A new SIM (`sim`) or endpoint (`endpoint`) that comes first in a listing by id."""
        if listing == "sim":
            self.add_sim(SimStatus.ISSUED, sim_id=self.sim_ids[0] - 1 if self.sim_ids else None)
        else:
            before_first = self.endpoint_ids[0] - 1 if self.endpoint_ids else None
            self.add_endpoint(EndpointStatus.DISABLED, endpoint_id=before_first)

    def drift_delete_first(self, listing: str) -> None:
        """The first SIM (`sim`) or endpoint (`endpoint`) of a listing by id goes away, if there is one."""
        if listing == "sim" and self.sim_ids:
            self.drift_delete_sim(self.sim_ids[0])
        elif listing == "endpoint" and self.endpoint_ids:
            self.drift_delete_endpoint(self.endpoint_ids[0])

    def state_counts(self) -> dict[str, int]:
        """How many devices are in each pair of statuses, such as `Issued/Disabled` or `Activated/-`."""
        counts: Counter[str] = Counter()
        for sim in self.sims.values():
            endpoint = "-" if sim.endpoint_id is None else self.endpoints[sim.endpoint_id].status
            counts[f"{sim.status}/{endpoint}"] += 1
        for endpoint_without_sim in (e for e in self.endpoints.values() if e.sim_id is None):
            counts[f"-/{endpoint_without_sim.status}"] += 1
        return dict(sorted(counts.items()))

    def _set_sim(self, sim: Sim, status: SimStatus, source: Source, description: str | None = None) -> None:
        before, sim.status = sim.status, status
        if status is SimStatus.ACTIVATED and sim.activated_at is None:
            sim.activated_at = self._clock()
        kind = {
            SimStatus.ACTIVATED: EventType.SIM_ACTIVATION,
            SimStatus.SUSPENDED: EventType.SIM_SUSPENSION,
            SimStatus.FACTORY_TEST: EventType.SIM_FACTORY_TEST,
            SimStatus.DELETED: EventType.SIM_DELETION,
        }.get(status, EventType.GENERIC)
        text = description or f"Status of SIM changed from '{before}' to '{status}'"
        self._record(kind, text, source, sim=sim)
        self.version += 1

    def _set_endpoint(self, endpoint: Endpoint, status: EndpointStatus) -> None:
        before, endpoint.status = endpoint.status, status
        kind = EventType.ENDPOINT_ENABLED if status is EndpointStatus.ENABLED else EventType.ENDPOINT_DISABLED
        text = f"Status of endpoint changed from '{before}' to '{status}'"
        self._record(kind, text, Source.API, endpoint=endpoint)
        self._touch(endpoint)

    def _touch(self, endpoint: Endpoint) -> None:
        endpoint.updated = self._clock()
        self.version += 1

    def _note_pair(self, sim: Sim, before: SimStatus) -> None:
        # Every move changes something, so a pair that is paying but off after a call was not so before it.
        if sim.status is not SimStatus.ACTIVATED or sim.endpoint_id is None:
            return
        if self.endpoints[sim.endpoint_id].status is EndpointStatus.DISABLED:
            self.pair_violations.append(PairViolation(self._clock(), sim.id, sim.endpoint_id, before))

    def _record(
        self,
        kind: int,
        description: str,
        source: Source,
        *,
        words: str = "",
        sim: Sim | None = None,
        endpoint: Endpoint | None = None,
    ) -> None:
        if sim is not None and sim.endpoint_id is not None:
            endpoint = self.endpoints[sim.endpoint_id]
        if endpoint is not None and endpoint.sim_id is not None:
            sim = self.sims[endpoint.sim_id]
        self.events.append(
            Event(
                id=len(self.events) + 1,
                at=self._clock(),
                kind=int(kind),
                words=words or type_of(kind).name,
                source=source,
                description=description,
                sim_id=sim.id if sim else None,
                iccid=sim.iccid if sim else None,
                endpoint_id=endpoint.id if endpoint else None,
                endpoint_name=name_of(endpoint.id, endpoint.name) if endpoint else None,
                tags=endpoint.tags if endpoint else None,
                imei=endpoint.imei if endpoint else None,
                ip_address=(endpoint.ip_address or ip_address_of(endpoint.id)) if endpoint else None,
            )
        )


def _insert(ids: list[int], new: int) -> None:
    if not ids or new > ids[-1]:
        ids.append(new)
    else:
        insort(ids, new)
