"""The history of changes, asked for by a request and then read page by page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from simtandem.emulator.iot_accelerator.behaviour import IotAcceleratorBehaviour
from simtandem.emulator.iot_accelerator.moments import moment
from simtandem.emulator.iot_accelerator.subscriptions import Change, Inventory


@dataclass(frozen=True, slots=True)
class FeedQuery:
    """What a request asks for. Nothing in `imsis` or `operations`: all of them."""

    asked_at: float
    since: float
    until: float
    imsis: frozenset[str] | None
    first: str
    last: str
    operations: frozenset[str]
    page_limit: int

    def has(self, change: Change) -> bool:
        """Whether a change is asked for."""
        named = change.imsi in self.imsis if self.imsis is not None else self.first <= change.imsi <= self.last
        wanted = not self.operations or change.operation in self.operations
        return named and wanted and self.since <= change.at < self.until


@dataclass(slots=True)
class ChangeFeed:
    """The requests for the history."""

    inventory: Inventory
    behaviour: IotAcceleratorBehaviour
    queries: dict[str, FeedQuery] = field(default_factory=dict)

    def accept(self, query: FeedQuery) -> str:
        """Accept a request; returns its id."""
        request_id = f"HIST{len(self.queries) + 1:06d}"
        self.queries[request_id] = query
        return request_id

    def page(self, request_id: str, start: int, now: float) -> tuple[list[dict[str, Any]], int | None]:
        """The changes from number `start` on, and where the next page starts. Raises LookupError for an unknown id."""
        query = self.queries[request_id]
        if now < query.asked_at + self.behaviour.changes_ready_s:
            return [], start
        found = [change for change in self.inventory.changes if query.has(change)]
        end = start + query.page_limit
        return _items(found[start:end]), end if end < len(found) else None


def _items(changes: Sequence[Change]) -> list[dict[str, Any]]:
    return [
        {
            "occured_at": moment(change.at),  # spelled so
            "imsi": change.imsi,
            "change": change.operation,
            "initiated_by": change.by,
            "subscription_request_id": change.request_id,
            "new_values": {"subscription_state": change.state.replace("_", "-")},  # with hyphens here alone
        }
        for change in changes
    ]
