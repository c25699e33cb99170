"""Requests of earlier runs are waited for before anything is sent for the same SIMs."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import pytest

from simtandem.carriers.aeris.paths import STATE_CHANGES
from simtandem.carriers.protocol import (
    Accepted,
    Answer,
    Call,
    Change,
    Fresh,
    StepResult,
    Submission,
    always_fresh,
    ticket_note,
)
from simtandem.errors import CarrierUnavailable
from simtandem.ledger.journal import CallWriter
from simtandem.runs import late_changes
from simtandem.runs.run import Run
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import MakeRun
from tests.simtandem.runs.sending import fleet_of

SIMS = ("99987100880000000001", "99987100880000000002")
TAKEN = Answer(201, 0.1, None, "", ticket_note("REQ1"))
ENDED = Answer(200, 0.1, None, "", ticket_note("REQ1", ended=True))


@dataclass
class Late(ActingCarrier):
    """Takes changes now and shows them later; `still` is under way at the deadline."""

    still: bool = False
    followed: list[Submission] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    async def change_sims(
        self, changes: Sequence[Change], *, accepted: Accepted, fresh: Fresh = always_fresh
    ) -> list[StepResult]:
        raise NotImplementedError("nothing is sent here")

    async def follow(self, submissions: Sequence[Submission], known: Collection[str]) -> list[Submission]:
        self.followed, self.known = [*submissions], set(known)
        return self.followed if self.still else []


def begin(make_run: MakeRun) -> Run:
    run = make_run([*SIMS], settings={"carrier": "iot-accelerator"})
    run.ledger.start_run(run.record({"file": "devices.csv", "sha256": "", "rows": 2, "invalid": 0, "notes": []}))
    return run


async def send(run: Run, *answers: Answer | None, sims: Sequence[str] = SIMS) -> None:
    """A change of both SIMs with the first answer, then looks at its request with the others."""
    body = json.dumps({"subscriptions": {"identifier_type": "ICC", "identifiers": sims}, "change": {"state": "PAUSE"}})
    calls = [Call("POST", STATE_CHANGES, "change", 1, body), *[Call("GET", "/requests/REQ1", "read")] * 9]
    async with CallWriter(run.ledger, run.run_id) as journal:
        for call, answer in zip(calls, answers, strict=False):
            call_id = await journal.intent(call)
            if answer is not None:
                await journal.answer(call_id, answer)


async def test_a_request_of_a_killed_run_is_followed_by_its_ticket(make_run: MakeRun) -> None:
    earlier, run, carrier = begin(make_run), begin(make_run), Late(fleet_of(1))
    await send(earlier, TAKEN)
    assert await late_changes.wait_for_earlier(run, carrier, SIMS[:1])
    assert [(each.run_id, each.idents, each.ticket) for each in carrier.followed] == [(earlier.run_id, SIMS, "REQ1")]
    assert carrier.known == {"REQ1"}


async def test_a_list_may_name_a_sim_without_its_20th_digit(make_run: MakeRun) -> None:
    earlier, run = begin(make_run), begin(make_run)
    await send(earlier, TAKEN)
    assert await late_changes.wait_for_earlier(run, Late(fleet_of(1)), [SIMS[0][:19]])


async def test_a_request_for_one_sim_is_told_as_one(make_run: MakeRun) -> None:
    earlier, run = begin(make_run), begin(make_run)
    await send(earlier, None, sims=SIMS[:1])
    with pytest.raises(CarrierUnavailable, match=r"a change of 1 SIM at .* under way still"):
        await late_changes.wait_for_earlier(run, Late(fleet_of(1), still=True), SIMS)


async def test_a_request_that_is_under_way_at_its_deadline_keeps_others_from_being_sent(make_run: MakeRun) -> None:
    earlier, run = begin(make_run), begin(make_run)
    await send(earlier, None)
    with pytest.raises(CarrierUnavailable, match=r"a change of 2 SIMs .* under way still \(without a ticket\)"):
        await late_changes.wait_for_earlier(run, Late(fleet_of(1), still=True), SIMS)


async def test_nothing_is_waited_for_where_nothing_of_another_run_is_open_for_these_sims(make_run: MakeRun) -> None:
    run, carrier = begin(make_run), Late(fleet_of(1))
    await send(run, TAKEN)
    assert not await late_changes.wait_for_earlier(run, carrier, SIMS), "its own"
    earlier = begin(make_run)
    await send(earlier, TAKEN)
    assert not await late_changes.wait_for_earlier(run, carrier, ["99987100990000000009"]), "other SIMs"
    assert not await late_changes.wait_for_earlier(run, carrier, [f"{SIMS[0][:19]}9"]), "the last digit is another"
    await send(earlier, TAKEN, ENDED)
    assert not await late_changes.wait_for_earlier(run, carrier, SIMS), "it has ended"
    assert carrier.followed == []
    assert not await late_changes.wait_for_earlier(run, ActingCarrier(fleet_of(1)), SIMS), "changes show at once"
