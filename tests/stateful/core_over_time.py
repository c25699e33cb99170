"""Runs, kills, retries, undos, other clients, audits and pruning in any order, and what must hold after each.

The machine is Hypothesis's. Its invariants are those of the product: nothing is sent that no plan showed, nothing twice
that was answered, no SIM leaves Issued or Factory Test unasked, an undo restores what its run changed and nothing else,
counts add up, the record verifies.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.statuses import Action, Half, Verdict
from simtandem import progress
from simtandem.errors import InputError
from simtandem.ledger.store import Ledger
from tests.stateful import modelled_carrier as model
from tests.stateful.modelled_carrier import Mishap, Sent
from tests.stateful.operator_over_time import Operator, Pending, Trouble, working

STATES: list[tuple[int, int | None]] = [
    (model.ISSUED, model.DISABLED),
    (model.ISSUED, model.ENABLED),
    (model.ACTIVATED, model.ENABLED),
    (model.ACTIVATED, model.DISABLED),
    (model.ACTIVATED, None),
    (model.SUSPENDED, model.DISABLED),
    (model.SUSPENDED, model.ENABLED),
    (model.FACTORY_TEST, model.ENABLED),
    (model.FACTORY_TEST, model.DISABLED),
]
MEANWHILE = (
    "somebody else moves a device",
    "time passes",
    "the carrier begins or ends to refuse",
    "the ledger is pruned",
    "the token is refused",
)
SIM_WORDS = {
    "Issued": model.ISSUED,
    "Activated": model.ACTIVATED,
    "Suspended": model.SUSPENDED,
    "Deleted": model.DELETED,
    "Factory Test": model.FACTORY_TEST,
}
ENDPOINT_WORDS = {"Enabled": model.ENABLED, "Disabled": model.DISABLED}
TARGETS = ("activated", "suspended", "factory_test")
OFTEN = st.sampled_from(STATES[2:3] + STATES[5:6]) | st.sampled_from(STATES)
"""Devices that can go on and off again more often than others: they are what runs follow each other on."""

moments = st.integers(1, 16)
devices = st.integers(0, 2)
troubles = st.fixed_dictionaries(
    {
        "mishaps": st.dictionaries(moments, st.sampled_from(Mishap), max_size=2),
        "outsider": st.none() | st.tuples(moments, devices, st.sampled_from(("sim", "endpoint"))),
        "interrupt": st.none() | moments,
    }
)
targets = st.sampled_from(TARGETS[:2]) | st.sampled_from(TARGETS)
calm: st.SearchStrategy[Mapping[str, Any]] = st.just({"mishaps": {}, "outsider": None, "interrupt": None})
wish = st.tuples(devices, targets, st.sampled_from(("sim", "endpoint", "both")))
wishes = st.lists(wish, min_size=1, max_size=3, unique_by=lambda one: one[0]) | st.lists(wish, min_size=1, max_size=5)
recent = st.integers(0, 3)
"""How far back: 0 is the latest."""
waits = st.sampled_from([timedelta(seconds=20), timedelta(minutes=3), timedelta(hours=5), timedelta(days=33)])


def empty_ledger(folder: Path) -> Path:
    """A ledger without runs, for all examples to begin with."""
    template = folder / "empty.sqlite"
    if not template.exists():
        Ledger.open(f"sqlite:///{template}").close()
    return template


class CoreOverTime(RuleBasedStateMachine):
    """One operator's time. `template` is set by whoever runs the machine."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(prefix="over-time-"))
        self._stack = ExitStack()
        self.operator: Operator = self._stack.enter_context(working(self._folder, self.template))
        self.carrier = self.operator.carrier
        self.pending: list[Pending] = []
        self.undone_by: dict[str, str] = {}
        """Of undos, which run each undid."""

    def teardown(self) -> None:
        """Every run's record still fits."""
        broken = self.operator.broken_records()
        self._stack.close()
        shutil.rmtree(self._folder)
        assert broken == []

    @initialize(states=st.lists(OFTEN, min_size=3, max_size=3))
    def has_devices(self, states: list[tuple[int, int | None]]) -> None:
        for sim, endpoint in states:
            self.carrier.add(sim, endpoint)

    @rule(wishes=wishes, told=calm | troubles)
    def apply(self, wishes: list[tuple[int, str, str]], told: Mapping[str, Any]) -> None:
        self._whole(self._trouble(told), file=self._list(wishes))

    @rule(number=devices, first=st.sampled_from(TARGETS[:2]), runs=st.integers(2, 3))
    def to_and_fro(self, number: int, first: str, runs: int) -> None:
        """A device that several runs put on and off again, as seasons do."""
        second = TARGETS[1 - TARGETS.index(first)]
        for target in (first, second, first)[:runs]:
            self._whole(Trouble(), file=self._list([(number, target, "sim")]))

    @precondition(lambda self: len(self.pending) < 2)
    @rule(wishes=wishes)
    def plan_and_wait(self, wishes: list[tuple[int, str, str]]) -> None:
        found = self.operator.plan(Trouble(), file=self._list(wishes))
        self.pending += [] if found is None else [found]

    @precondition(lambda self: self.pending)
    @rule(told=calm | troubles)
    def approve(self, told: Mapping[str, Any]) -> None:
        self._carry_out(self.pending.pop(0), self._trouble(told), late=True)

    @precondition(lambda self: self.operator.ended)
    @rule(back=recent, told=calm | troubles)
    def retry(self, back: int, told: Mapping[str, Any]) -> None:
        run_id = self.operator.ended[-1 - back % len(self.operator.ended)]
        try:
            file = self.operator.open_rows(run_id)
        except InputError:
            return
        self._whole(self._trouble(told), file=file, retry_of=run_id)

    @precondition(lambda self: self.carrier.sent)
    @rule(back=recent, told=calm | troubles)
    def undo(self, back: int, told: Mapping[str, Any]) -> None:
        runs = list(dict.fromkeys(each.run for each in self.carrier.sent))
        run_id = runs[-1 - back % len(runs)]
        own, before, earlier = self._last_changes(run_id), dict(self.carrier.status), list(self.carrier.sent)
        with suppress(InputError):  # pruned, or nothing left to undo
            self._whole(self._trouble(told), file=f"undo of {run_id}", undo_of=run_id)
        sent = {each.half for each in self.carrier.sent[len(earlier) :]}
        self.undone_by |= {each.run: run_id for each in self.carrier.sent[len(earlier) :]}
        assert sent <= own.keys(), f"the undo of {run_id} changed {sent - own.keys()}, which that run had not"
        for half in sent:
            later = [
                each.run for each in earlier if each.half == half and each.at > own[half].at and each.run != run_id
            ]
            held = self._not_undone(later)
            assert not held, f"the undo of {run_id} changed {half}, which {held} had sent since"
            assert before[half] == own[half].after, f"the undo of {run_id} changed {half}, which was moved since"

    def _not_undone(self, senders: list[str]) -> list[str]:
        """What is left of these, oldest first, once undos have cancelled what they undid."""
        left: list[str] = []
        for each in dict.fromkeys(senders):
            undone = self.undone_by.get(each)
            if undone in left:
                left.remove(undone)
            elif self.undone_by.get(str(undone)) in senders[: senders.index(each)]:
                left.append(self.undone_by[str(undone)])  # the undo of an undo
            else:
                left.append(each)
        return left

    @rule(what=st.sampled_from(MEANWHILE), number=devices, half=st.sampled_from(("sim", "endpoint")), wait=waits)
    def meanwhile(self, what: str, number: int, half: str, wait: timedelta) -> None:
        """What an operator does not do: somebody else, the clock, the carrier's will, its memory of the token."""
        match what:
            case "somebody else moves a device":
                self._outsider(number, half)
            case "time passes":
                self.operator.now += wait
            case "the carrier begins or ends to refuse":
                self._refuse_or_not(number, half)
            case "the ledger is pruned":
                self.operator.prune()
            case "the token is refused":
                self._token_is_refused_until_it_changes(number)

    @rule(repair=st.none() | st.integers(0, 5))
    def audit(self, repair: int | None) -> None:
        document = self.operator.audit()
        self._check_findings(document["findings"])
        files = [path for name, path in document["files"].items() if name.startswith("repair-")]
        if repair is not None and files:
            self._whole(Trouble(), file=files[repair % len(files)])

    @invariant()
    def nothing_was_wrong(self) -> None:
        assert not self.carrier.wrongs, self.carrier.wrongs

    def _refuse_or_not(self, number: int, half: str) -> None:
        pair = self.carrier.pairs[number]
        ident = pair.sim if half == "sim" else pair.endpoint
        if ident is not None:
            self.carrier.refused ^= {(half, ident)}

    def _token_is_refused_until_it_changes(self, number: int) -> None:
        """Two runs with a token that the carrier does not accept make one login; a new token lets them in again."""
        sent, logins = len(self.carrier.sent), self.carrier.logins
        self.carrier.token_good = False
        for target in TARGETS[:2]:
            assert self.operator.plan(Trouble(), file=self._list([(number, target, "sim")])) is None
        assert (len(self.carrier.sent), self.carrier.logins) == (sent, logins + 1)
        self.carrier.token_good = True
        self.operator.tokens += 1

    def _trouble(self, told: Mapping[str, Any]) -> Trouble:
        trouble = Trouble(dict(told["mishaps"]))
        if told["outsider"] is not None:
            at, number, half = told["outsider"]
            trouble.moves[at] = lambda: self._outsider(number, half)
        if told["interrupt"] is not None:
            trouble.moves[told["interrupt"]] = lambda: progress.current().stop()
        return trouble

    def _outsider(self, number: int, half: str) -> None:
        """Somebody moves a device by a legal move."""
        pair = self.carrier.pairs[number]
        ident = pair.sim if half == "sim" else pair.endpoint
        if ident is None:
            return
        now = self.carrier.status[half, ident]
        legal = sorted(after for before, after in model.SIM_MOVES if before == now)
        after = 1 - now if half == "endpoint" else next(iter(legal[-1:]), now)
        self.carrier.someone_else((half, ident), after)

    def _list(self, wishes: list[tuple[int, str, str]]) -> str:
        rows = ["sim_id,endpoint_id,status"]
        for number, target, named in wishes:
            pair = self.carrier.pairs[number]
            sim = "" if named == "endpoint" and pair.endpoint else str(pair.sim)
            endpoint = str(pair.endpoint) if named != "sim" and pair.endpoint else ""
            rows.append(f"{sim},{endpoint},{target}")
        return self.operator.file(rows)

    def _whole(self, trouble: Trouble, **asked: Any) -> None:
        """Plan and carry out."""
        self.operator.now += timedelta(seconds=20)  # what a killed run had on its way has landed
        pending = self.operator.plan(Trouble(), **asked)
        if pending is not None:
            self._carry_out(pending, trouble)

    def _carry_out(self, pending: Pending, trouble: Trouble, *, late: bool = False) -> None:
        """Say yes, at once or after others had time to move things."""
        self.operator.now += timedelta(seconds=20)
        whole = trouble.none and not late
        document = self.operator.carry_out(pending, trouble)
        self._check_sent(pending.run_id)
        if document is not None:
            self._check_document(document, whole=whole)
        else:
            assert not trouble.none, "a run without trouble comes to its end"

    def _check_sent(self, run_id: str) -> None:
        """Whatever a run changed stands in its plan, or puts back what does."""
        ledger = self.operator.ledger()
        try:
            plan = ledger.plan(run_id)
        finally:
            ledger.close()
        shown = set()
        for row in plan.filter(pl.col("action") == Action.CHANGE).iter_rows(named=True):
            if row["sim_step"]:
                shown.add(("sim", int(row["sim_id"]), SIM_WORDS[row["sim_before"]], SIM_WORDS[row["sim_after"]]))
            if row["endpoint_step"]:
                before, after = ENDPOINT_WORDS[row["endpoint_before"]], ENDPOINT_WORDS[row["endpoint_after"]]
                shown |= {("endpoint", int(row["endpoint_id"]), before, after)}
                shown |= {("endpoint", int(row["endpoint_id"]), after, before)}
        for each in self.carrier.sent:
            if each.run == run_id:
                step = (*each.half, each.before, each.after)
                assert step in shown, f"{run_id} sent {step}, which its plan did not show"

    def _check_document(self, document: Mapping[str, Any], *, whole: bool) -> None:
        run_id = document["run_id"]
        ledger = self.operator.ledger()
        try:
            plan, results, outcomes = ledger.plan(run_id), ledger.results(run_id), ledger.outcomes(run_id)
        finally:
            ledger.close()
        assert sum(document["verdicts"].values()) == document["input"]["rows"] == results.height
        assert Counter(results["verdict"]) == Counter({k: v for k, v in document["verdicts"].items() if v})
        changed = plan.filter(pl.col("action") == Action.CHANGE)
        steps = sum(int(changed[f"{half}_step"].sum()) for half in Half)
        assert outcomes.height == steps, "every step has one outcome"
        told = results.filter(pl.col("verdict") != Verdict.IN_SYNC)
        assert told.filter(pl.col("reason") == "").is_empty(), "what is not in sync says why"
        if whole and not self.carrier.refused:
            rest = set(document["verdicts"]) - {"in_sync", "refused", "invalid"}
            assert not any(document["verdicts"][each] for each in rest), document["verdicts"]
        for row in results.filter(pl.col("verdict") == Verdict.IN_SYNC).iter_rows(named=True) if whole else ():
            assert self._as_wished(row), f"{row} is called in sync"

    def _as_wished(self, row: Mapping[str, Any]) -> bool:
        if not row["sim_id"] or row["desired"] not in TARGETS:
            return True
        sim = self.carrier.status["sim", int(row["sim_id"])]
        wanted = {"activated": model.ACTIVATED, "suspended": model.SUSPENDED, "factory_test": model.FACTORY_TEST}
        return sim == wanted[row["desired"]]

    def _last_changes(self, run_id: str) -> dict[model.Half, Sent]:
        """The halves a run changed: its last change of each."""
        return {each.half: each for each in self.carrier.sent if each.run == run_id}

    def _check_findings(self, findings: dict[str, int]) -> None:
        """What an audit counts is what there is."""
        status = self.carrier.status
        pairs = [
            (status["sim", pair.sim], None if pair.endpoint is None else status["endpoint", pair.endpoint])
            for pair in self.carrier.pairs
        ]
        assert findings["paying_but_off"] == pairs.count((model.ACTIVATED, model.DISABLED))
        assert findings["on_but_dead"] == pairs.count((model.SUSPENDED, model.ENABLED))
        assert findings["sim_without_endpoint"] == pairs.count((model.ACTIVATED, None))
        assert findings["factory_test"] == sum(sim == model.FACTORY_TEST for sim, _ in pairs)
