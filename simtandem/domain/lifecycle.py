"""A carrier's rules for a device, as a table: its statuses, what they cost, which moves are legal and in which order.

Every adapter brings one `Lifecycle`; planning, safety, audit, undo, messages and reports ask it. Nothing outside an
adapter spells a carrier's status. Pure.

What costs money is a property of carrier, status and move, never of a word: at one carrier a suspended SIM is silent
and free, at another it carries traffic and suspending it costs a fee. So a status says it of itself, and the rest
follows:

- A *goal* is what an operator can ask for: a word, the SIM's status, and the endpoint's that agrees with it. A goal
  *saves* where its SIM is not charged and a charged SIM can go there.
- A pair is *aligned* where it is some goal's; which others are *split* is in `simtandem.domain.split_pairs`.
- The order inside a pair: the SIM is what is charged, so it goes on last and off first. Where a call to the endpoint
  makes the carrier move the SIM (`Status.touched`), the SIM leaves that status first, or nothing is sent.
- A carrier whose SIMs have no second half has no `endpoints`; then no plan has endpoint steps and no pair is split.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from schemas.statuses import Half
from simtandem.domain.abilities import Ability, without
from simtandem.domain.device_ids import IdKind
from simtandem.domain.event_moves import EventMoves
from simtandem.domain.sim_actions import ActionRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One status of a half, in the carrier's own word.

    `charged`: it costs its fee every month; without `charge_known` that is what it is taken for, so that limits hold,
    and no sentence says it. `on`: it lets traffic through. `final`: nothing leads out of it. `leaves` says when the
    carrier moves a SIM out of it automatically, to `becomes`; both empty where it never does. `touched` is where the
    carrier moves a SIM in this status as soon as the status of its endpoint is changed. `fee_in` and `fee_out` say what
    entering and leaving cost besides. `aliases` are other spellings the carrier answers with, `words` what people call
    it besides, its number among them, and `verb` is what one does to get there.
    """

    name: str
    charged: bool = False
    charge_known: bool = True
    on: bool = False
    final: bool = False
    leaves: str = ""
    becomes: str = ""
    touched: str = ""
    fee_in: str = ""
    fee_out: str = ""
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    verb: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What an operator can ask for: `word` in files and on the command line, and where that puts the halves.

    `words` are other words for it in a file, the carrier's among them, in lower case and without spaces, underscores
    and dashes. `verb` is what it does to a SIM.
    """

    word: str
    sim: str
    endpoint: str | None = None
    words: tuple[str, ...] = ()
    verb: str


@dataclass(frozen=True, slots=True)
class Move:
    """The way from where a device is to where it should be.

    `first` is the half that must be changed before the other. `refusal` is set where there is no allowed way; it is a
    sentence that names the legal one.
    """

    sim_after: str | None = None
    endpoint_after: str | None = None
    first: Half | None = None
    refusal: str = ""


Pair = tuple[str | None, str | None]
"""The statuses of a device's halves; None where that half does not exist."""


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """A carrier's statuses, goals and legal moves. `bulk_endpoints`: how many endpoints one call can change.

    `refusals` are the carrier's own sentences for moves of a SIM that are not legal, by its status and the goal's word;
    others get a general one. `unwished` are words that look like a wish, spelled as in `wishes`, and why they are none;
    `{allowed}` in there stands for the words of the goals. `trap` explains what `Status.touched` does to a pair that
    must stay as it is. `ids` are the kinds of ids a device is named by, `abilities` what the interface can do besides
    reading and changing by id; `moves_given_by` and `given_by` which setting would give one more move of a SIM, one
    more ability, as the end of a sentence. `actions` are what can be done with a SIM besides changing its status,
    `events` which of its events show a change, `bulk_sims` how many SIMs one call can change, and `looks_per_change`
    how many calls follow at least until it shows; `cannot_change` says why none can be sent, and is empty otherwise.
    """

    carrier: str
    sims: tuple[Status, ...]
    sim_moves: frozenset[tuple[str, str]]
    goals: tuple[Goal, ...]
    endpoints: tuple[Status, ...] = ()
    endpoint_moves: frozenset[tuple[str, str]] = frozenset()
    bulk_endpoints: int = 1
    bulk_sims: int = 1
    looks_per_change: int = 0
    cannot_change: str = ""
    refusals: Mapping[tuple[str, str], str] = field(default_factory=dict, hash=False)
    moves_given_by: Mapping[tuple[str, str], str] = field(default_factory=dict, hash=False)
    unwished: Mapping[str, str] = field(default_factory=dict, hash=False)
    trap: str = ""
    ids: tuple[IdKind, ...] = ()
    abilities: frozenset[Ability] = frozenset()
    given_by: Mapping[Ability, str] = field(default_factory=dict, hash=False)
    actions: tuple[ActionRule, ...] = ()
    events: EventMoves = field(default_factory=EventMoves, hash=False)

    def __post_init__(self) -> None:
        """Raise `ValueError` where the table contradicts itself."""
        sims, endpoints = {one.name for one in self.sims}, {one.name for one in self.endpoints}
        moves = self.sim_moves | self.moves_given_by.keys()
        named = {name for move in moves for name in move} | {goal.sim for goal in self.goals}
        named |= {name for one in self.sims for name in (one.becomes, one.touched) if name}
        beside = {name for move in self.endpoint_moves for name in move}
        beside |= {goal.endpoint for goal in self.goals if goal.endpoint is not None}
        if unknown := sorted((named - sims) | (beside - endpoints)):
            raise ValueError(f"{self.carrier}: no status is called {', '.join(unknown)}")
        if any((goal.endpoint is None) is self.has_endpoints for goal in self.goals):
            raise ValueError(f"{self.carrier}: a goal names an endpoint's status exactly where there are endpoints")
        for goal in self.goals:
            if self.sim(goal.sim).charged and goal.endpoint is not None and not self.endpoint(goal.endpoint).on:
                raise ValueError(f"{self.carrier}: a goal is a split pair: {goal.word}")
        if any(self.sim(before).final for before, _ in moves):
            raise ValueError(f"{self.carrier}: a move leads out of a final status")

    def status_called(self, word: str) -> str | None:
        """The name of the SIM status that this word means, in any case and as any alias; None for an unknown word."""
        wanted = word.strip().casefold()
        spelled = ((one.name, each) for one in self.sims for each in (one.name, *one.aliases))
        return next((name for name, each in spelled if each.casefold() == wanted), None)

    @property
    def wishes(self) -> dict[str, str]:
        """What a status cell may say, without case, spaces, underscores and dashes, and the goal's word it means."""
        spelled = [(goal.word, each) for goal in self.goals for each in (goal.word, *goal.words)]
        return {as_written(each): word for word, each in spelled}

    def lacks(self, ability: Ability, therefore: str) -> str:
        """What to say where a feature needs this ability and the carrier has it not; empty where it has."""
        therefore += self.given_by.get(ability, "")
        return "" if ability in self.abilities else without(self.carrier, ability, therefore)

    @property
    def has_endpoints(self) -> bool:
        """Whether a device has a second half with a status of its own."""
        return bool(self.endpoints)

    @property
    def halves(self) -> tuple[Half, ...]:
        """The halves a device has."""
        return (Half.SIM, Half.ENDPOINT) if self.has_endpoints else (Half.SIM,)

    def sim(self, name: str) -> Status:
        """The SIM's status of this name. Raises `KeyError` for another carrier's word."""
        return _named(self.sims, name)

    def endpoint(self, name: str) -> Status:
        """The endpoint's status of this name. Raises `KeyError` for another carrier's word."""
        return _named(self.endpoints, name)

    def goal(self, word: str) -> Goal:
        """The goal of this word. Raises `KeyError` where this carrier has none."""
        return next((goal for goal in self.goals if goal.word == word), None) or _missing(word)

    def aligned(self, sim: str | None, endpoint: str | None) -> Goal | None:
        """The goal that describes exactly this pair; None where none does."""
        return next((goal for goal in self.goals if (goal.sim, goal.endpoint) == (sim, endpoint)), None)

    @property
    def charged(self) -> tuple[str, ...]:
        """The names of the SIM statuses that cost their fee every month."""
        return tuple(one.name for one in self.sims if one.charged)

    @property
    def without_return(self) -> tuple[str, ...]:
        """The names of the SIM statuses that can be left and never entered again once charged."""
        return tuple(
            one.name
            for one in self.sims
            if not (one.charged or one.final) and not any((paid, one.name) in self.sim_moves for paid in self.charged)
        )

    @property
    def saving(self) -> tuple[Goal, ...]:
        """The goals that end a charge."""
        return tuple(
            goal
            for goal in self.goals
            if not self.sim(goal.sim).charged and any((paid, goal.sim) in self.sim_moves for paid in self.charged)
        )

    @property
    def charging(self) -> tuple[Goal, ...]:
        """The goals whose SIM is charged."""
        return tuple(goal for goal in self.goals if self.sim(goal.sim).charged)

    @property
    def send_order(self) -> tuple[Goal, ...]:
        """The goals in the order a run sends them: what saves money goes before what costs it."""
        return (*self.saving, *(goal for goal in self.goals if goal not in self.saving))

    def switches_off(self, goal: Goal) -> bool:
        """Whether the endpoint ends up off; without endpoints, whether the goal saves."""
        return goal in self.saving if goal.endpoint is None else not self.endpoint(goal.endpoint).on

    def fees(self, before: str, after: str) -> str:
        """What a move of a SIM costs once, as a sentence; empty where nothing is known of a fee."""
        return "; ".join(fee for fee in (self.sim(before).fee_out, self.sim(after).fee_in) if fee)

    def move(self, sim: str | None, endpoint: str | None, target: str | None) -> Move:
        """The way for a device in this state to the goal of that word; None stands for a half that does not exist.

        Halves that are already in the target state are part of the answer, too. Going off works without an endpoint, or
        beside a final one, which stays as it is: it saves money. Every other goal needs the whole pair. Without a
        `target` both halves stay as they are; refused is then what must not be touched at all.
        """
        if (refusal := self._untouchable(sim)) or sim is None or target is None:
            return Move(refusal=refusal) if refusal else Move(sim, endpoint, Half.SIM)
        goal = self.goal(target)
        stays = endpoint is None or self.endpoint(endpoint).final
        first = self._first(sim, goal)
        if refusal := self._beside(sim, endpoint, goal) or self._illegal(sim, endpoint, goal, first):
            return Move(refusal=refusal)
        return Move(sim_after=goal.sim, endpoint_after=endpoint if stays else goal.endpoint, first=first)

    def restore(self, left: Pair, was: Pair) -> Move:
        """The way back from where a run left a device to exactly where it `was`, which need not be any goal's pair.

        Refused where a step is not legal, or where the device would be charged again. An endpoint goes back only beside
        a SIM that is neither charged nor moved by that.
        """
        sim, endpoint = was
        on, off = self._word(self.charging), self._word(self.saving)
        if sim is not None and self.sim(sim).charged and self.has_endpoints:
            if endpoint is not None and not self.endpoint(endpoint).final and not self.endpoint(endpoint).on:
                return Move(refusal=_CHARGED_AND_OFF.format(on=on, off=off))
            return Move(refusal=_CHARGED_FOR_NOTHING.format(on=on))
        sim_moves = left[0] != sim
        legal = not sim_moves or (left[0] is not None and sim is not None and self._free_return(left[0], sim))
        if left[1] != endpoint:
            legal &= (left[1], endpoint) in self.endpoint_moves and sim is not None and self._endpoint_is_free(sim)
        if not legal:
            return Move(refusal=_NO_STEPS_BACK.format(words=" or ".join(word for word in (on, off) if word)))
        return Move(sim, endpoint, Half.SIM if sim_moves or not self.has_endpoints else Half.ENDPOINT)

    def free_to_put_back(self, sim: str, endpoint_before: str) -> bool:
        """Whether an endpoint changed for a SIM that then stayed `sim` may return to `endpoint_before` at no cost."""
        return self._endpoint_is_free(sim) and not self.endpoint(endpoint_before).final

    def _endpoint_is_free(self, sim: str) -> bool:
        status = self.sim(sim)
        return not (status.charged or status.final or status.touched)

    def _free_return(self, left: str, was: str) -> bool:
        status = self.sim(was)
        return (left, was) in self.sim_moves and not status.charged and not status.becomes

    def _first(self, sim: str, goal: Goal) -> Half:
        leaves = sim != goal.sim and bool(self.sim(sim).touched)
        return Half.SIM if not self.has_endpoints or self.switches_off(goal) or leaves else Half.ENDPOINT

    def _untouchable(self, sim: str | None) -> str:
        """Why nothing at all can be done."""
        if sim is None:
            return "there is no SIM, so it can never be online; assign one first"
        return f"the SIM is {sim}, which is final; take the row out" if self.sim(sim).final else ""

    def _beside(self, sim: str, endpoint: str | None, goal: Goal) -> str:
        """Why a SIM can't go there beside a final endpoint; that comes before what could be put right."""
        if endpoint is None or not self.endpoint(endpoint).final:
            return ""
        if self.switches_off(goal) and (sim == goal.sim or (sim, goal.sim) in self.sim_moves):
            return ""
        final = f"the endpoint is {endpoint}, which is final"
        if self.sim(sim).charged:
            return f"{final}, and the SIM is charged for nothing; assign it to another endpoint{self._or_save()}"
        return f"{final}; assign the SIM to another endpoint first"

    def _illegal(self, sim: str, endpoint: str | None, goal: Goal, first: Half) -> str:
        """Why no legal step leads there."""
        if sim != goal.sim and (sim, goal.sim) not in self.sim_moves:
            refusal = self.refusals.get((sim, goal.word)) or self._no_move(sim, goal)
            return refusal + self.moves_given_by.get((sim, goal.sim), "")
        if not self.has_endpoints or (endpoint is None and self.switches_off(goal)):
            return ""
        if endpoint is None:
            return self._alone(sim, goal)
        if self.endpoint(endpoint).final or endpoint == goal.endpoint:
            return ""
        if (endpoint, goal.endpoint) not in self.endpoint_moves:
            return f"no step leads an endpoint from {endpoint} to {goal.endpoint}"
        return self.trap if self.sim(goal.sim if first is Half.SIM else sim).touched else ""

    def _alone(self, sim: str, goal: Goal) -> str:
        """Why an endpoint has to be there first."""
        if self.sim(sim).charged:
            return f"the SIM has no endpoint and is charged for nothing; assign an endpoint{self._or_save()}"
        if self.sim(goal.sim).charged:
            return (
                f"the SIM has no endpoint, so as {goal.sim} it would be charged for nothing; assign an endpoint first"
            )
        return f"the SIM has no endpoint, so it can't go to {goal.sim}; assign an endpoint first"

    def _no_move(self, sim: str, goal: Goal) -> str:
        ways = [other.word for other in self.goals if (sim, other.sim) in self.sim_moves]
        legal = f"; from there it can go to {' or '.join(ways)}" if ways else ""
        return f"no step leads a SIM from {sim} to {goal.sim}{legal}"

    def _or_save(self) -> str:
        return f", or {self.saving[0].verb} it" if self.saving else ""

    def _word(self, goals: tuple[Goal, ...]) -> str:
        return goals[0].word if goals else ""


_CHARGED_AND_OFF = (
    "a split pair that is charged and can't work; apply the status {on} to use it, {off} to stop its charges"
)
_CHARGED_FOR_NOTHING = (
    "a split pair that is charged for nothing; to use it, assign it to an endpoint, then apply the status {on}"
)
_NO_STEPS_BACK = "and no legal step leads back there; apply the status {words} instead"


def as_written(word: str) -> str:
    """A word as lists are searched for it: in lower case, without spaces, underscores and dashes."""
    return word.lower().replace("_", "").replace("-", "").replace(" ", "")


def _named(statuses: tuple[Status, ...], name: str) -> Status:
    return next((one for one in statuses if one.name == name), None) or _missing(name)


def _missing(name: str) -> NoReturn:
    raise KeyError(name)
