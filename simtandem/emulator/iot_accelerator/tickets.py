"""Requests to change states: accepted at once, carried out as time passes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from simtandem.emulator.iot_accelerator.behaviour import IotAcceleratorBehaviour
from simtandem.emulator.iot_accelerator.states import RequestState, ResourceState, State, may_move
from simtandem.emulator.iot_accelerator.subscriptions import Inventory, Subscription

DAY_S = 86_400.0
_FIRST = 201_234_567_890  # as in the samples


@dataclass(slots=True)
class Line:
    """One subscription of a request. `reason` says why it failed or was rejected."""

    identifier: str
    subscription: Subscription | None
    done_at: float
    state: ResourceState = ResourceState.PENDING
    reason: str = ""


@dataclass(slots=True)
class Ticket:
    """A request. `hidden`: polling and finding don't know it, as if it was lost. `shown_as`: its state, for a test."""

    request_id: str
    kind: str
    target: State
    by: str
    created: float
    begins: float
    lines: list[Line]
    updated: float
    hidden: bool = False
    rejected: bool = False
    shown_as: str = ""

    @property
    def state(self) -> RequestState:
        """What the request is, by what its subscriptions are."""
        states = {line.state for line in self.lines}
        if self.rejected:
            return RequestState.REJECTED
        if states <= {ResourceState.PENDING} and states:
            return RequestState.PENDING
        if states & {ResourceState.PENDING, ResourceState.IN_PROGRESS}:
            return RequestState.IN_PROGRESS
        failed = bool(states & {ResourceState.FAILED, ResourceState.REJECTED})
        return RequestState.COMPLETED_WITH_FAILURES if failed else RequestState.COMPLETED


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong with a request: it is `slow` by so many seconds, `lost`, `rejected`, or some lines `failing`."""

    slow_s: float = 0.0
    lost: bool = False
    rejected: bool = False
    failing: frozenset[str] = frozenset()
    reason: str = ""


@dataclass(slots=True)
class Tickets:
    """All requests, in the order they came."""

    inventory: Inventory
    behaviour: IotAcceleratorBehaviour
    by_id: dict[str, Ticket] = field(default_factory=dict)
    open: list[Ticket] = field(default_factory=list)

    def accept(
        self, kind: str, identifiers: Sequence[str], target: State, by: str, now: float, trouble: Trouble
    ) -> Ticket:
        """Take a request in. Nothing changes before `pass_time`."""
        begins = now + self.behaviour.pending_s + trouble.slow_s
        ends = begins + self.behaviour.work_s
        lines = []
        for n, identifier in enumerate(identifiers, 1):
            subscription = self.inventory.by_id.get((kind, identifier))
            line = Line(identifier, subscription, ends + n * self.behaviour.sim_s)
            if identifier in trouble.failing:
                line.reason = trouble.reason
            lines.append(line)
        number = _FIRST + len(self.by_id)
        ticket = Ticket(f"REQ{number}", kind, target, by, now, begins, lines, now, hidden=trouble.lost)
        refused = trouble.rejected or (
            self.behaviour.batch == "atomic" and any(self._obstacle(ticket, line, now) for line in lines)
        )
        self.by_id[ticket.request_id] = ticket
        if refused:
            self._reject(ticket)
        else:
            self.open.append(ticket)
        return ticket

    def pass_time(self, now: float) -> None:
        """Carry out what is due by now, in the order in which it became due."""
        due = sorted(
            (line.done_at, n, ticket, line)
            for n, (ticket, line) in enumerate((ticket, line) for ticket in self.open for line in ticket.lines)
            if line.state in (ResourceState.PENDING, ResourceState.IN_PROGRESS) and line.done_at <= now
        )
        for at, _, ticket, line in due:
            self._carry_out(ticket, line, at)
        for ticket in self.open:
            if now >= ticket.begins:
                for line in ticket.lines:
                    if line.state is ResourceState.PENDING:
                        line.state = ResourceState.IN_PROGRESS
                        ticket.updated = max(ticket.updated, ticket.begins)
        self.open = [ticket for ticket in self.open if ticket.state in (RequestState.PENDING, RequestState.IN_PROGRESS)]

    def _carry_out(self, ticket: Ticket, line: Line, at: float) -> None:
        ticket.updated = max(ticket.updated, at)
        line.reason = self._obstacle(ticket, line, at)
        if line.reason or line.subscription is None:
            line.state = ResourceState.FAILED
            return
        line.state = ResourceState.COMPLETED
        self.inventory.enter(line.subscription, ticket.target, at, by=ticket.by, request_id=ticket.request_id)

    def _obstacle(self, ticket: Ticket, line: Line, at: float) -> str:
        """Why a subscription can't be changed; nothing where it can."""
        found = line.subscription
        if line.reason:
            return line.reason
        if found is None:
            return "Subscription not found"
        if found.locked:
            return "Subscription is locked"
        if found.state is ticket.target:
            return "Same Subscription Status" if self.behaviour.same_state == "failed" else ""
        over = found.state is State.TERMINATED and at >= found.since + self.behaviour.quarantine_days * DAY_S
        return "" if may_move(found.state) and not over else f"No change from {found.state}"

    def _reject(self, ticket: Ticket) -> None:
        ticket.rejected = True
        for line in ticket.lines:
            line.state = ResourceState.REJECTED
