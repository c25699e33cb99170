"""Who changed what: our steps and the carrier's events, put side by side."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from schemas.event_types import STATUS_AFTER
from schemas.statuses import Cause
from schemas.tables import Changes, Events, Explained, Inventory, Managed, Steps, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.domain import attribution
from simtandem.domain.attribution import CLOCK_SKEW, EVENT_LAG, EVENTS_KEPT

MOVES = EMNIFY.events
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MORNING = NOON - timedelta(hours=4)
LATER = NOON + EVENT_LAG
ICCID = "8988303000000000007"


def minutes(count: float) -> datetime:
    """So long after the first look."""
    return MORNING + timedelta(minutes=count)


def change(half: str = "sim", before: str = "Activated", after: str = "Suspended", **more: object) -> pl.DataFrame:
    values = {
        "half": half,
        "ident": "7" if half == "sim" else "9",
        "sim_id": "7",
        "iccid": ICCID,
        "endpoint_id": "9",
        "before": before,
        "after": after,
        "since": MORNING,
        "seen": NOON,
        **more,
    }
    return Changes.validate(pl.DataFrame([values], schema=empty(Changes).schema, orient="row"))


def event(kind: int = 9, at: datetime | None = None, source: int | None = 2, **more: object) -> dict[str, object]:
    values: dict[str, object] = {
        "event_id": "1",
        "at": at or minutes(60),
        "type": kind,
        "name": "SIM suspension",
        "source": source,
        "description": "Status of SIM changed",
        "user": None,
        "sim_id": "7",
        "iccid": ICCID,
        "endpoint_id": "9",
    }
    return values | more


def log(*events: dict[str, object]) -> pl.DataFrame:
    numbered = [each | {"event_id": str(number)} for number, each in enumerate(events, start=1)]
    return Events.validate(pl.DataFrame(numbered, schema=empty(Events).schema, orient="row"))


def steps(*some: tuple[str, str, str, datetime]) -> pl.DataFrame:
    """Ours: half, ident, after, when; by run r, in rows from 2 on."""
    rows = [(*each, "r", row) for row, each in enumerate(some, start=2)]
    return Steps.validate(pl.DataFrame(rows, schema=empty(Steps).schema, orient="row"))


def cause(
    changes: pl.DataFrame, ours: pl.DataFrame | None = None, events: pl.DataFrame | None = None
) -> dict[str, Any]:
    said = log() if events is None else events
    told = attribution.explain(changes, steps() if ours is None else ours, said, MOVES, LATER)
    return Explained.validate(told).row(0, named=True)


def test_a_call_or_a_click_of_somebody_else_is_told_with_the_user_where_one_is_named() -> None:
    told = cause(change(), events=log(event(user="Ada Lovelace")))

    assert (told["cause"], told["user"], told["at"]) == (Cause.SOMEBODY, "Ada Lovelace", minutes(60))
    assert told["explanation"] == (
        "SIM Activated to Suspended: by someone else (API or Portal), user Ada Lovelace at 2026-03-01 09:00:00 UTC: "
        '"Status of SIM changed"'
    )
    assert "user" not in cause(change(), events=log(event()))["explanation"]


def test_what_the_carrier_does_by_itself_is_automatic() -> None:
    volume = event(8, source=1, description="SIM activated after factory test volume reached.")
    told = cause(change(before="Factory Test", after="Activated"), events=log(volume))

    assert told["cause"] == Cause.AUTOMATIC
    assert "by the carrier" in str(told["explanation"])
    assert "factory test volume reached" in str(told["explanation"])
    assert cause(change(), events=log(event(source=0)))["cause"] == Cause.AUTOMATIC


def test_an_event_of_our_own_call_is_ours() -> None:
    ours = steps(("sim", "7", "Suspended", minutes(60)))
    told = cause(change(), ours, log(event(at=minutes(60) + CLOCK_SKEW / 2)))

    assert (told["cause"], told["run_id"], told["row"], told["at"]) == (Cause.OURS, "r", 2, minutes(60))
    assert told["explanation"] == "SIM Activated to Suspended: by simtandem, run r, row 2; event 1 shows it"


def test_a_step_of_ours_without_an_event_stays_ours_and_says_so() -> None:
    ours = steps(("sim", "7", "Suspended", minutes(60)))
    early, late = (
        attribution.explain(change(), ours, log(), MOVES, read_at).row(0, named=True)
        for read_at in (NOON, NOON + EVENT_LAG)
    )

    assert (early["cause"], late["cause"]) == (Cause.OURS, Cause.OURS)
    assert str(early["explanation"]).endswith("row 2; its event may still arrive")
    assert str(late["explanation"]).endswith("row 2; no event shows it")


def test_a_sim_taken_from_its_endpoint_is_explained_by_the_event_that_says_so() -> None:
    moved = change("pair", "endpoint 9", "no endpoint", ident="7")
    told = cause(moved, events=log(event(9), event(50, user="Carol"), event(51, endpoint_id="12")))

    assert (told["cause"], told["user"]) == (Cause.SOMEBODY, "Carol")
    assert str(told["explanation"]).startswith(
        "SIM from endpoint 9 to no endpoint: by someone else (API or Portal), user Carol"
    )
    given = cause(change("pair", "no endpoint", "endpoint 12", ident="7"), events=log(event(51, endpoint_id="12")))
    assert given["cause"] == Cause.SOMEBODY


def test_events_about_pairs_are_asked_for_only_where_a_pair_changed() -> None:
    assert set(attribution.types_for(change(), MOVES)) == set(STATUS_AFTER)
    assert set(attribution.types_for(change("pair", "endpoint 9", "no endpoint"), MOVES)) == {*STATUS_AFTER, 50, 51}


def test_our_call_is_ours_even_before_its_event_is_there() -> None:
    assert cause(change(), steps(("sim", "7", "Suspended", minutes(60))))["cause"] == Cause.OURS


def test_somebody_who_did_the_same_again_after_us_is_the_one_who_did_it() -> None:
    ours = steps(("sim", "7", "Suspended", minutes(60)))
    told = cause(change(), ours, log(event(at=minutes(60)), event(at=minutes(90))))

    assert (told["cause"], told["event_id"], told["run_id"]) == (Cause.SOMEBODY, "2", None)


@pytest.mark.parametrize(
    "step",
    [
        ("sim", "8", "Suspended", minutes(60)),  # another SIM
        ("endpoint", "7", "Suspended", minutes(60)),  # another half
        ("sim", "7", "Activated", minutes(60)),  # another status
        ("sim", "7", "Suspended", minutes(-2)),  # before the first look
        ("sim", "7", "Suspended", minutes(242)),  # after the second
    ],
)
def test_a_step_that_did_something_else_explains_nothing(step: tuple[str, str, str, datetime]) -> None:
    assert cause(change(), steps(step))["cause"] == Cause.UNEXPLAINED


@pytest.mark.parametrize(
    "other",
    [
        event(8),  # another status
        event(sim_id="8", iccid="8988303000000000008"),
        event(43),  # the other half
        event(at=minutes(-2)),
        event(at=minutes(242)),
        event(99),  # of a type nobody knows
    ],
)
def test_an_event_that_says_something_else_explains_nothing(other: dict[str, object]) -> None:
    assert cause(change(), events=log(other))["cause"] == Cause.UNEXPLAINED


def test_the_last_event_between_the_looks_counts() -> None:
    told = cause(
        change(), events=log(event(at=minutes(10), source=1), event(at=minutes(20)), event(at=minutes(15), source=1))
    )

    assert (told["cause"], told["at"]) == (Cause.SOMEBODY, minutes(20))


def test_an_event_that_names_the_sim_by_its_iccid_alone_counts() -> None:
    assert cause(change(), events=log(event(sim_id=None)))["cause"] == Cause.SOMEBODY


def test_an_endpoint_is_found_by_its_own_id() -> None:
    told = cause(change("endpoint", "Enabled", "Disabled"), events=log(event(43, sim_id=None, iccid=None)))

    assert told["cause"] == Cause.SOMEBODY
    assert str(told["explanation"]).startswith("endpoint Enabled to Disabled: ")


def test_an_event_of_an_unknown_source_is_quoted_and_not_guessed_about() -> None:
    told = cause(change(), events=log(event(source=None)))

    assert told["cause"] == Cause.UNEXPLAINED
    assert 'by an unknown source at 2026-03-01 09:00:00 UTC: "Status of SIM changed"' in str(told["explanation"])


def test_an_event_is_missing_only_when_it_had_time_to_come() -> None:
    early = attribution.explain(change(), steps(), log(), MOVES, LATER - timedelta(seconds=1)).row(0, named=True)
    late = attribution.explain(change(), steps(), log(), MOVES, LATER).row(0, named=True)
    impatient = attribution.explain(change(), steps(), log(), MOVES, NOON, lag=timedelta(0)).row(0, named=True)

    assert (early["cause"], early["explanation"]) == (
        Cause.AWAITED,
        "SIM Activated to Suspended: event may still arrive; audit again in 15 min",
    )
    assert (late["cause"], late["explanation"]) == (
        Cause.UNEXPLAINED,
        "SIM Activated to Suspended: no event found",
    )
    assert impatient["cause"] == Cause.UNEXPLAINED


def test_what_may_be_older_than_the_events_is_said_to_be() -> None:
    old = change(since=LATER - EVENTS_KEPT - timedelta(seconds=1))

    assert "older than the 30 days" in str(cause(old)["explanation"])
    assert "older" not in str(cause(change())["explanation"])


def test_events_that_could_not_be_read_leave_the_question_open() -> None:
    told = attribution.explain(change(), steps(), None, MOVES, LATER + EVENT_LAG).row(0, named=True)

    assert told["cause"] == Cause.AWAITED
    assert "could not be read" in told["explanation"]


def test_every_change_is_explained_once_and_in_order() -> None:
    changes = pl.concat([change(ident=str(number), sim_id=str(number)) for number in range(20)])
    events = log(*[event(sim_id=str(number)) for number in range(0, 20, 2) for _ in range(3)])

    told = Explained.validate(attribution.explain(changes, steps(), events, MOVES, LATER))

    assert told["ident"].to_list() == changes["ident"].to_list()
    assert told["cause"].to_list() == [Cause.SOMEBODY, Cause.UNEXPLAINED] * 10


def inventory(*rows: tuple[str | None, str | None, str | None, str | None]) -> pl.DataFrame:
    """SIM id, its status, endpoint id, its status."""
    whole = [(sim, sim and ICCID, sim_status, endpoint, status) for sim, sim_status, endpoint, status in rows]
    return Inventory.validate(pl.DataFrame(whole, schema=empty(Inventory).schema, orient="row"))


def test_the_halves_that_differ_between_two_inventories_are_changes() -> None:
    first = inventory(("1", "Issued", "11", "Disabled"), ("2", "Activated", None, None), (None, None, "13", "Enabled"))
    second = inventory(
        ("1", "Activated", "11", "Enabled"),
        ("2", "Activated", "12", "Enabled"),
        (None, None, "13", "Disabled"),
        ("4", "Issued", None, None),  # a new SIM is no change
    )

    changes = Changes.validate(attribution.changes_between(first, second, MORNING, NOON))

    assert changes.select("half", "ident", "sim_id", "before", "after").rows() == [
        ("endpoint", "11", "1", "Disabled", "Enabled"),
        ("endpoint", "13", None, "Enabled", "Disabled"),
        ("pair", "2", "2", "no endpoint", "endpoint 12"),
        ("sim", "1", "1", "Issued", "Activated"),
    ]
    assert changes.select("since", "seen").unique().rows() == [(MORNING, NOON)]


def managed(*rows: tuple[str, str | None, str | None]) -> pl.DataFrame:
    """SIM id, and where its halves were put."""
    whole = [(sim, None, "activated", *halves, minutes(5), "r", 2) for sim, *halves in rows]
    return Managed.validate(pl.DataFrame(whole, schema=empty(Managed).schema, orient="row"))


def test_drift_is_measured_from_when_the_device_was_put_there() -> None:
    put = managed(
        ("1", "Activated", "Enabled"), ("2", "Activated", None), ("3", None, None), ("5", "Activated", "Enabled")
    )
    now = inventory(
        ("1", "Activated", "11", "Disabled"),
        ("2", "Suspended", "12", "Enabled"),
        ("3", "Suspended", "13", "Disabled"),
        ("4", "Suspended", "14", "Enabled"),
        ("5", "Activated", "15", "Enabled"),
    )

    changes = Changes.validate(attribution.drift(now, put, NOON))

    assert changes.select("half", "ident", "before", "after", "since", "seen").rows() == [
        ("endpoint", "11", "Enabled", "Disabled", minutes(5), NOON),
        ("sim", "2", "Activated", "Suspended", minutes(5), NOON),
    ]


def test_of_two_changes_of_a_half_the_one_seen_between_closer_looks_counts() -> None:
    drifted = pl.concat([change(since=minutes(100)), change("endpoint", "Enabled", "Disabled")])
    later, sooner = (change(before="Issued", since=minutes(since)) for since in (200, 50))

    assert attribution.joined(drifted, later).select("half", "before").rows() == [
        ("endpoint", "Enabled"),
        ("sim", "Issued"),
    ]
    assert attribution.joined(drifted, sooner)["before"].to_list() == ["Enabled", "Activated"]


def test_a_question_an_earlier_audit_left_open_is_asked_again_while_it_stands() -> None:
    awaited = attribution.explain(change(), steps(), log(), MOVES, NOON)
    unexplained = attribution.explain(change("endpoint", "Enabled", "Disabled"), steps(), log(), MOVES, LATER)
    earlier = pl.concat([awaited, unexplained])

    stands = attribution.open_questions(earlier, inventory(("7", "Suspended", "9", "Disabled")))
    gone = attribution.open_questions(earlier, inventory(("7", "Activated", "9", "Disabled")))

    assert stands.equals(change())
    assert gone.is_empty()


def test_what_an_earlier_audit_explained_is_not_asked_again() -> None:
    explained = attribution.explain(change(), steps(), log(event()), MOVES, LATER)
    now = change(seen=NOON + timedelta(days=40))

    still, told = attribution.already_explained(now, explained)

    assert still.is_empty()
    assert Explained.validate(told).equals(explained)


def test_what_an_earlier_audit_could_not_explain_keeps_the_time_it_was_first_seen() -> None:
    awaited = attribution.explain(change(), steps(), log(), MOVES, NOON)
    still, told = attribution.already_explained(change(seen=NOON + timedelta(days=1)), awaited)

    assert Changes.validate(still)["seen"].to_list() == [NOON]
    assert told.is_empty()


def test_a_device_put_right_since_is_a_new_question() -> None:
    explained = attribution.explain(change(), steps(), log(event()), MOVES, LATER)
    again = change(since=NOON + timedelta(days=1), seen=NOON + timedelta(days=2))

    still, told = attribution.already_explained(again, explained)

    assert still.equals(again)
    assert told.is_empty()


def test_the_window_of_events_is_no_longer_than_the_changes_and_the_carriers_memory() -> None:
    assert attribution.window(empty(Changes), NOON) is None
    assert attribution.window(change(), LATER) == (MORNING - CLOCK_SKEW, NOON + CLOCK_SKEW)
    assert attribution.window(change(since=NOON - timedelta(days=99)), NOON) == (NOON - EVENTS_KEPT, NOON)
    assert attribution.window(change(), NOON + 2 * EVENTS_KEPT) is None
