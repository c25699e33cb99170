"""Plans of SIM actions on made-up fleets: what must hold for every fleet and every file."""

from dataclasses import dataclass, field

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.sim_actions import ActionOutcomes, ActionWishes, SimAction
from schemas.statuses import Action, EndpointStatus, Outcome, SimStatus, Verdict
from schemas.tables import Inventory, Rejected, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain.action_inverse import inverse_wishes, without_later
from simtandem.domain.action_plan import Listed, digest, make_action_plan
from simtandem.domain.action_summary import counted, sentence
from simtandem.domain.action_verdicts import action_results, to_retry

HOLDS = (SimStatus.ISSUED, SimStatus.ACTIVATED, SimStatus.SUSPENDED)


@dataclass
class Fleet:
    """SIMs with their statuses and endpoints, as a carrier keeps them; an endpoint has one SIM at most."""

    sims: dict[str, SimStatus]
    endpoints: dict[str, EndpointStatus]
    pairs: dict[str, str] = field(default_factory=dict)

    def inventory(self) -> pl.DataFrame:
        rows: list[tuple[object, ...]] = [
            (sim, f"89{int(sim):017d}", status, self.pairs.get(sim), self.endpoints.get(self.pairs.get(sim, "")))
            for sim, status in self.sims.items()
        ]
        rows += [(None, None, None, each, self.endpoints[each]) for each in self.endpoints if each not in self.used]
        return pl.DataFrame(rows, schema=empty(Inventory).schema, orient="row")

    @property
    def used(self) -> set[str]:
        return set(self.pairs.values())

    def listed(self) -> Listed:
        return Listed.of(self.inventory())

    def carry_out(self, plan: pl.DataFrame) -> pl.DataFrame:
        """Send a plan one by one, as a carrier that refuses what must never be sent; returns the outcomes."""
        ended = []
        for row in plan.filter(pl.col("decision") == Action.CHANGE).iter_rows(named=True):
            sim, endpoint = row["sim_id"], row["endpoint_id"]
            assert self.sims[sim] in HOLDS
            if row["action"] == SimAction.ASSIGN:
                assert sim not in self.pairs
                assert endpoint not in self.used
                assert self.endpoints[endpoint] is not EndpointStatus.DELETED
                self.pairs[sim] = endpoint
            elif row["action"] == SimAction.RELEASE:
                assert self.pairs.pop(sim) == endpoint
            else:
                assert (row["action"], self.pairs[sim]) == (SimAction.RESET_CONNECTIVITY, endpoint)
            ended.append((row["row"], Outcome.APPLIED.value, 1, 204, ""))
        return pl.DataFrame(ended, schema=empty(ActionOutcomes).schema, orient="row")


SIMS = [str(each) for each in range(1, 6)]
ENDPOINTS = [str(each) for each in range(11, 16)]


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    sims = {each: draw(st.sampled_from(SimStatus)) for each in SIMS}
    endpoints = {each: draw(st.sampled_from(EndpointStatus)) for each in ENDPOINTS}
    places = draw(st.permutations(ENDPOINTS))
    pairs = {sim: place for sim, place in zip(SIMS, places, strict=True) if draw(st.booleans())}
    return Fleet(sims, endpoints, pairs)


@st.composite
def wishes(draw: st.DrawFn) -> pl.DataFrame:
    rows = []
    for row in range(2, 2 + draw(st.integers(1, 6))):
        action = draw(st.sampled_from(SimAction))
        sim: str | None = draw(st.sampled_from([*SIMS, "9"]))
        endpoint: str | None = draw(st.sampled_from([*ENDPOINTS, "99"]))
        by_iccid = draw(st.booleans())
        if action is SimAction.RELEASE:
            which = draw(st.sampled_from(["sim", "endpoint", "both"]))
            sim, endpoint = (sim if which != "endpoint" else None), (endpoint if which != "sim" else None)
        iccid = f"89{int(sim):017d}" if sim and by_iccid else None
        rows.append((row, action.value, None if iccid else sim, endpoint, iccid, None, None))
    return pl.DataFrame(rows, schema=empty(ActionWishes).schema, orient="row")


ONE_PAIR = Fleet({"3": SimStatus.ACTIVATED}, {"11": EndpointStatus.ENABLED}, {"3": "11"})
RESET = (2, "reset_connectivity", "3", "11", None, None, None)


@settings(deadline=None, max_examples=40)
@given(fleets(), wishes())
@example(ONE_PAIR, pl.DataFrame([RESET], schema=empty(ActionWishes).schema, orient="row"))
def test_a_plan_reaches_what_it_says_and_the_next_one_is_empty(fleet: Fleet, asked: pl.DataFrame) -> None:
    plan = make_action_plan(asked, fleet.listed(), EMNIFY)
    counts = counted(plan)
    assert plan["row"].to_list() == asked["row"].to_list()
    assert counts.to_send + counts.unchanged + counts.refused == counts.rows
    assert counts.rows + counts.repeats == asked.height
    before, sims = dict(fleet.pairs), set(fleet.sims)
    outcomes = fleet.carry_out(plan)
    results = action_results(plan, empty(Rejected), outcomes, fleet.listed(), EMNIFY)
    assert set(results["verdict"]) <= {Verdict.IN_SYNC.value, Verdict.REFUSED.value}
    assert to_retry(results).is_empty()
    again = make_action_plan(asked, fleet.listed(), EMNIFY)
    kept = plan.filter(pl.col("decision") != Action.REFUSED)["row"]
    left, resets = again.filter(pl.col("row").is_in(kept.implode())), pl.col("action") == SimAction.RESET_CONNECTIVITY
    assert set(left.filter(~resets)["decision"]) <= {Action.UNCHANGED.value, Action.REPEAT.value}
    assert set(left.filter(resets)["decision"]) <= {Action.CHANGE.value, Action.REPEAT.value}, "as often as asked"
    assert fleet.sims.keys() == sims

    back, lost = inverse_wishes(plan, outcomes, (), EMNIFY)
    assert bool(lost) == (not plan.filter(resets & (pl.col("decision") == Action.CHANGE)).is_empty())
    undo = make_action_plan(back, fleet.listed(), EMNIFY)
    assert (
        undo.filter(pl.col("decision") != Action.CHANGE)
        .filter(~pl.col("reason").str.contains("Deleted", literal=True))
        .is_empty()
    )
    fleet.carry_out(undo)
    final = {sim for sim, place in before.items() if fleet.endpoints[place] is EndpointStatus.DELETED}
    assert {sim: place for sim, place in fleet.pairs.items() if sim not in final} == {
        sim: place for sim, place in before.items() if sim not in final
    }


@settings(deadline=None, max_examples=20)
@given(fleets(), wishes())
def test_a_plan_does_not_depend_on_the_order_of_the_listing(fleet: Fleet, asked: pl.DataFrame) -> None:
    plan = make_action_plan(asked, fleet.listed(), EMNIFY)
    other = make_action_plan(asked, Listed.of(fleet.inventory().reverse()), EMNIFY)
    assert digest(plan, "emnify") == digest(other, "emnify")


def plan_of(fleet: Fleet, *rows: tuple[object, ...]) -> pl.DataFrame:
    asked = [(row, *wish, None, None) for row, wish in enumerate(rows, 2)]
    return make_action_plan(
        pl.DataFrame(asked, schema=empty(ActionWishes).schema, orient="row"), fleet.listed(), EMNIFY
    )


FLEET = Fleet(
    {"1": SimStatus.SUSPENDED, "2": SimStatus.FACTORY_TEST, "3": SimStatus.ACTIVATED},
    {"11": EndpointStatus.DISABLED, "12": EndpointStatus.ENABLED, "13": EndpointStatus.ENABLED},
    {"2": "12", "3": "13"},
)


def test_two_rows_that_ask_for_different_things_of_one_sim_are_both_refused() -> None:
    plan = plan_of(FLEET, ("assign", "1", "11", None), ("release", None, None, "8900000000000000001"))
    assert plan["decision"].to_list() == [Action.REFUSED, Action.REFUSED]
    assert plan["reason"].to_list() == [
        "row 3 asks for something else of the same SIM or endpoint",
        "row 2 asks for something else of the same SIM or endpoint",
    ]


def test_a_row_that_says_the_same_by_another_id_is_sent_once() -> None:
    plan = plan_of(FLEET, ("assign", "1", "11", None), ("assign", None, "11", "8900000000000000001"))
    assert plan.select("decision", "same_as").rows() == [(Action.CHANGE, None), (Action.REPEAT, 2)]


def test_a_sim_in_factory_test_is_left_alone_and_the_row_says_why() -> None:
    plan = plan_of(FLEET, ("release", "2", None, None), ("assign", "2", "11", None))
    assert plan["decision"].to_list() == [Action.REFUSED, Action.REFUSED]
    assert plan_of(FLEET, ("release", "2", None, None))["reason"][0].startswith("the SIM is in Factory Test")
    assert plan_of(FLEET, ("release", None, "12", None))["reason"][0].startswith("the SIM is in Factory Test")


def test_a_split_pair_is_foreseen_and_a_charged_sim_without_endpoint_is_counted() -> None:
    fleet = Fleet({"3": SimStatus.ACTIVATED, "4": SimStatus.ACTIVATED}, dict(FLEET.endpoints), {"3": "13"})
    plan = plan_of(fleet, ("assign", "4", "11", None), ("release", "3", None, None))
    assert "charged, and it can't work" in plan["reason"][0]
    assert counted(plan).idle == 1
    told = sentence(counted(plan), 2)
    assert told == "1 SIM will be assigned to an endpoint and 1 SIM will be released from an endpoint; 2 invalid."


def test_the_digest_stands_for_what_is_sent_and_not_for_its_wording() -> None:
    plan = plan_of(FLEET, ("assign", "1", "11", None))
    assert digest(plan.with_columns(reason=pl.lit("other words")), "emnify") == digest(plan, "emnify")
    assert digest(plan.with_columns(sim_status=pl.lit("Issued")), "emnify") != digest(plan, "emnify")
    assert digest(plan, "another") != digest(plan, "emnify") == digest(plan, "emnify", "default")
    assert digest(plan, "emnify", "eu") != digest(plan, "emnify")


def test_an_undo_leaves_alone_what_a_later_run_has_sent() -> None:
    plan = without_later(plan_of(FLEET, ("release", "3", "13", None)), {"13": "20260101T000000-abcdef"})
    assert plan["decision"].to_list() == [Action.REFUSED]
    assert plan["reason"][0] == "run 20260101T000000-abcdef has changed this endpoint since; undo that one first"
    assert not plan["idle"][0]


def test_a_call_without_an_end_counts_as_sent_when_a_run_is_undone() -> None:
    plan = plan_of(FLEET, ("assign", "1", "11", None))
    nothing = empty(ActionOutcomes)
    assert inverse_wishes(plan, nothing, (), EMNIFY)[0].is_empty()
    assert inverse_wishes(plan, nothing, {"11"}, EMNIFY)[0]["action"].to_list() == ["release"]


def test_what_moved_meanwhile_is_told_apart_from_what_failed() -> None:
    plan = plan_of(FLEET, ("assign", "1", "11", None))
    elsewhere = Fleet(dict(FLEET.sims), dict(FLEET.endpoints), {**FLEET.pairs, "1": "13"})

    def verdict(outcome: Outcome | None, after: Fleet | None) -> str:
        ended = [] if outcome is None else [(2, outcome.value, 1, None, "why")]
        outcomes = pl.DataFrame(ended, schema=empty(ActionOutcomes).schema, orient="row")
        looked = None if after is None else after.listed()
        return str(action_results(plan, empty(Rejected), outcomes, looked, EMNIFY)["verdict"][0])

    assert verdict(Outcome.APPLIED, elsewhere) == Verdict.CHANGED_BY_OTHERS
    assert verdict(Outcome.REFUSED, FLEET) == Verdict.FAILED
    assert verdict(Outcome.UNKNOWN, FLEET) == Verdict.FAILED
    assert verdict(Outcome.HELD, FLEET) == Verdict.SKIPPED
    assert verdict(None, FLEET) == Verdict.SKIPPED
    assert verdict(Outcome.APPLIED, None) == Verdict.IN_SYNC
    assert verdict(Outcome.UNKNOWN, None) == Verdict.UNKNOWN
    assert verdict(Outcome.APPLIED, Fleet({}, {}, {})) == Verdict.UNKNOWN
