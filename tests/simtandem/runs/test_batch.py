import pytest

from schemas.statuses import EndpointStatus, Half, Outcome, SimStatus, Target
from schemas.tables import Repeats, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.carriers.protocol import Change, StepResult
from simtandem.domain.batches import split
from simtandem.domain.plan import make_plan
from simtandem.runs.batch import BatchWork, other
from tests.simtandem.model_fleet import ModelFleet, device, wishes
from tests.simtandem.runs.sending import RESTING, RUNNING


def work_on(*states: tuple[SimStatus, EndpointStatus], target: Target = Target.ACTIVATED) -> BatchWork:
    """The only batch of a plan for devices in these states; device 1 is row 2."""
    fleet = ModelFleet([device(number, *halves) for number, halves in enumerate(states, 1)])
    asked = wishes(*((number + 1, str(number), None, None, target) for number in range(1, len(states) + 1)))
    [batch] = split(make_plan(asked, empty(Repeats), fleet.inventory(), EMNIFY), 500, EMNIFY)
    return BatchWork(batch, EMNIFY)


def rows(changes: list[Change]) -> list[int]:
    return [change.row for change in changes]


def blocked(work: BatchWork) -> list[int]:
    return rows([change for change, _ in work.blocked()])


def test_the_other_half_is_the_partner() -> None:
    assert (other(Half.SIM), other(Half.ENDPOINT)) == (Half.ENDPOINT, Half.SIM)


def test_only_halves_with_a_step_are_changes() -> None:
    work = work_on(RESTING, (SimStatus.ISSUED, EndpointStatus.ENABLED), RUNNING)
    assert work.changes[Half.ENDPOINT] == {2: Change(2, "101", EndpointStatus.DISABLED, EndpointStatus.ENABLED)}
    assert work.changes[Half.SIM] == {
        2: Change(2, "1", SimStatus.ISSUED, SimStatus.ACTIVATED),
        3: Change(3, "2", SimStatus.ISSUED, SimStatus.ACTIVATED),
    }


@pytest.mark.parametrize(
    ("outcome", "lets_go"),
    [
        (Outcome.APPLIED, True),
        (Outcome.UNCHANGED, True),
        (Outcome.REFUSED, False),
        (Outcome.FAILED, False),
        (Outcome.UNKNOWN, False),
        (Outcome.HELD, False),
    ],
)
def test_a_second_half_opens_only_when_its_first_is_known_to_be_there(outcome: Outcome, lets_go: bool) -> None:
    work = work_on(RESTING)
    assert (rows(work.open(Half.SIM)), blocked(work)) == ([], [2])
    work.keep(Half.ENDPOINT, [StepResult(2, outcome, 1)])
    assert (rows(work.open(Half.SIM)), blocked(work)) == (([2], []) if lets_go else ([], [2]))


def test_a_second_half_without_a_first_is_open_from_the_start() -> None:
    work = work_on((SimStatus.ISSUED, EndpointStatus.ENABLED), RESTING)
    assert rows(work.open(Half.SIM)) == [2]
    assert blocked(work) == [3]


def test_a_step_with_a_result_is_neither_open_nor_blocked() -> None:
    work = work_on(RESTING)
    work.keep(Half.ENDPOINT, [StepResult(2, Outcome.REFUSED, 1)])
    work.keep(Half.SIM, [StepResult(2, Outcome.HELD, 0)])
    assert work.open(Half.ENDPOINT) + work.open(Half.SIM) == []
    assert blocked(work) == []


@pytest.mark.parametrize(
    ("endpoint", "sim", "back"),
    [
        (Outcome.APPLIED, Outcome.REFUSED, True),
        (Outcome.APPLIED, Outcome.FAILED, True),
        (Outcome.APPLIED, Outcome.UNKNOWN, False),
        (Outcome.APPLIED, Outcome.APPLIED, False),
        (Outcome.UNCHANGED, Outcome.REFUSED, False),
        (Outcome.HELD, Outcome.REFUSED, False),
        (Outcome.APPLIED, None, False),
        (None, None, False),
    ],
)
def test_an_endpoint_we_changed_goes_back_where_its_sim_certainly_did_not_follow(
    endpoint: Outcome | None, sim: Outcome | None, back: bool
) -> None:
    work = work_on(RESTING)
    for half, outcome in ((Half.ENDPOINT, endpoint), (Half.SIM, sim)):
        work.keep(half, [StepResult(2, outcome, 1)] if outcome else [])
    undo = Change(2, "101", EndpointStatus.ENABLED, EndpointStatus.DISABLED)
    assert [change for change, _ in work.to_put_back(held=False)] == ([undo] if back else [])


def test_an_endpoint_goes_back_for_a_sim_that_was_held_only_where_that_is_wished() -> None:
    work = work_on(RESTING)
    work.keep(Half.ENDPOINT, [StepResult(2, Outcome.APPLIED, 1)])
    work.keep(Half.SIM, [StepResult(2, Outcome.HELD, 0)])
    assert work.to_put_back(held=False) == []
    assert [change.ident for change, _ in work.to_put_back(held=True)] == ["101"]


def test_an_endpoint_is_sent_back_once() -> None:
    work = work_on(RESTING)
    work.keep(Half.ENDPOINT, [StepResult(2, Outcome.APPLIED, 1)])
    work.keep(Half.SIM, [StepResult(2, Outcome.REFUSED, 1)])
    work.returned.add(2)
    assert work.to_put_back(held=True) == []


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (StepResult(2, Outcome.REFUSED, 1, error="no"), "its partner was not changed"),
        (StepResult(2, Outcome.UNKNOWN, 1, error="silence"), "its partner was not changed"),
        (StepResult(2, Outcome.HELD, 0, error="stopped: 2 of 4"), "stopped: 2 of 4"),
        (None, "its partner was not changed"),
    ],
)
def test_a_second_half_is_blocked_for_the_reason_its_first_was_held_for(first: StepResult | None, why: str) -> None:
    work = work_on(RESTING)
    work.keep(Half.ENDPOINT, [first] if first else [])
    assert [told for _, told in work.blocked()] == [why]


def test_what_is_known_not_to_have_happened_is_in_doubt_no_more() -> None:
    work = work_on(RESTING, RESTING)
    work.attempted[Half.SIM] |= {2, 3}
    work.doubtful[Half.SIM] |= {2}
    work.forget(Half.SIM, [2])
    assert (work.attempted[Half.SIM], work.doubtful[Half.SIM]) == ({3}, set())


def test_nothing_goes_back_where_the_sim_went_first() -> None:
    work = work_on(RUNNING, target=Target.SUSPENDED)
    work.keep(Half.SIM, [StepResult(2, Outcome.REFUSED, 1)])
    work.keep(Half.ENDPOINT, [StepResult(2, Outcome.APPLIED, 1)])
    assert work.to_put_back(held=True) == []


def test_failures_are_devices_of_which_a_half_went_wrong() -> None:
    work = work_on(*[RESTING] * 6)
    ends = [Outcome.REFUSED, Outcome.FAILED, Outcome.UNKNOWN, Outcome.HELD, Outcome.APPLIED]
    work.keep(Half.ENDPOINT, [StepResult(row, end, 1) for row, end in enumerate(ends, 2)])
    work.keep(Half.SIM, [StepResult(2, Outcome.REFUSED, 1)])
    assert work.failures() == 3
