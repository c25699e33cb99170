"""A carrier's rules for what can be done with a SIM besides changing its status. Pure.

An adapter brings one `ActionRule` for each action it has, in its `Lifecycle`. A carrier without a rule has no such
action, which `missing` says in a sentence. Deleting is no action: nothing brings a SIM back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.sim_actions import SimAction

REGISTERED, NOT_REGISTERED = "registered", "not registered"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRule:
    """When an action is legal, and what takes it back.

    `words` are other words for it in a file, in lower case and without spaces, underscores and dashes. `sims` and
    `endpoints` say of a status of that half why the action must not be done there; of every other it may. `statuses`
    are the words for what a batch can be registered as, spelled likewise, each with the SIM's status; the first is
    taken where a row has none. `undone_by` is the action that takes it back; where there is none, `no_undo` says why.
    """

    action: SimAction
    words: tuple[str, ...] = ()
    sims: Mapping[str, str] = field(default_factory=dict, hash=False)
    endpoints: Mapping[str, str] = field(default_factory=dict, hash=False)
    statuses: Mapping[str, str] = field(default_factory=dict, hash=False)
    undone_by: SimAction | None = None
    no_undo: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of SIMs as the carrier describes it; `registered` is None where it can't be registered here, by `why`."""

    registered: bool | None
    quantity: int | None = None
    why: str = ""

    @property
    def state(self) -> str:
        """In words; empty where nothing is known of it."""
        return {None: "", True: REGISTERED, False: NOT_REGISTERED}[self.registered]


def rule_of(rules: Iterable[ActionRule], action: str) -> ActionRule | None:
    """The rule of an action, None where the carrier has none."""
    return next((rule for rule in rules if rule.action == action), None)


def missing(carrier: str, action: str = "") -> str:
    """That a carrier has no such action, or none at all."""
    what = f"the SIM action {action.replace('_', ' ')}" if action else "SIM actions"
    return f"{carrier}: its interface offers nothing that simtandem knows for {what}"


def action_words(rules: Iterable[ActionRule]) -> dict[str, str]:
    """What an action cell may say, without case, spaces, underscores and dashes, and the action it means."""
    return {
        each.lower().replace("_", "").replace("-", "").replace(" ", ""): str(rule.action)
        for rule in rules
        for each in (rule.action, *rule.words)
    }
