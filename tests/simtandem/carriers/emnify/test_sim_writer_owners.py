"""A SIM's owners are changed with its status in one PATCH that holds what changes and nothing else."""

import json
from pathlib import Path

import httpx
import pytest

from schemas.organisations import OwnerField
from schemas.statuses import Outcome, SimStatus
from simtandem.carriers.emnify.sim_writer import change_sim
from simtandem.carriers.emnify.transport import ATTEMPTS
from simtandem.carriers.protocol import Change, StepResult
from simtandem.emulator.devices import OWN_ORGANISATION
from simtandem.emulator.server import Emulator, FaultKind, FaultRule, Group
from simtandem.errors import CarrierUnavailable
from tests.simtandem.carriers.emnify.rig import (
    FIRST_SIM,
    Handler,
    Rig,
    ScriptedCarrier,
    breaks,
    calls_to,
    emulated,
    says,
    scripted,
    sim,
)

CUSTOMER, RESELLER, ISSUER = OwnerField.CUSTOMER, OwnerField.RESELLER, OwnerField.ISSUER
ISSUED, ACTIVE, SUSPENDED = SimStatus.ISSUED, SimStatus.ACTIVATED, SimStatus.SUSPENDED
OWN = str(OWN_ORGANISATION)
PATCH_SIM, GET_SIM = "PATCH /api/v1/sim/{id}", "GET /api/v1/sim/{id}"
BOTH = {"status": {"id": 1}, "customer_org": {"id": 42}}


def owner_change(
    after: SimStatus = ACTIVE,
    ident: int = FIRST_SIM,
    before: SimStatus = ISSUED,
    owners: dict[OwnerField, tuple[str, str]] | None = None,
) -> Change:
    """A SIM whose customer should be 42 instead of our own organisation, where nothing else is said."""
    return Change(2, str(ident), before, after, owners or {CUSTOMER: (OWN, "42")})


async def change(rig: Rig, what: Change | None = None) -> StepResult:
    return await change_sim(rig.transport, rig.reader, what or owner_change())


def bodies(carrier: ScriptedCarrier) -> list[object]:
    """What was sent with the PATCHes."""
    return [json.loads(each.content) for each in carrier.requests if each.method == "PATCH"]


def seen(status: int, customer: int | None) -> Handler:
    """The SIM when it is read back."""
    return says(200, sim(status, issuer_org={"id": 1}, **({"customer_org": {"id": customer}} if customer else {})))


@pytest.mark.parametrize(
    ("what", "body"),
    [
        (owner_change(), BOTH),
        (owner_change(before=ACTIVE), {"customer_org": {"id": 42}}),
        (owner_change(before=ACTIVE, owners={RESELLER: ("7", "none")}), {"reseller_org": {"id": None}}),
        (
            owner_change(SUSPENDED, before=ACTIVE, owners={ISSUER: ("1", "2"), CUSTOMER: ("1", "none")}),
            {"status": {"id": 2}, "customer_org": {"id": None}, "issuer_org": {"id": 2}},
        ),
    ],
)
async def test_only_what_changes_is_sent(tmp_path: Path, what: Change, body: object) -> None:
    carrier = ScriptedCarrier(says(204))
    async with scripted(tmp_path, carrier) as rig:
        assert await change(rig, what) == StepResult(2, Outcome.APPLIED, 1, 204)
        assert json.loads(rig.journal.calls[-1].body or "") == body
    assert bodies(carrier) == [body]


async def test_one_call_moves_status_and_owner_and_leaves_the_other_owners_alone(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    carrier.change(lambda fleet: setattr(fleet.sim(FIRST_SIM), "reseller_org", 99))
    assert await change(rig) == StepResult(2, Outcome.APPLIED, 1, 204)
    now = carrier.fleet.sim(FIRST_SIM)
    assert (now.status, now.customer_org, now.reseller_org, now.issuer_org) == (ACTIVE, 42, 99, OWN_ORGANISATION)
    assert calls_to(carrier) == {PATCH_SIM: 1}


async def test_an_owner_alone_is_no_patch_of_the_status(carrier: Emulator, rig: Rig) -> None:
    carrier.refill([Group(1)])
    what = owner_change(ISSUED, owners={CUSTOMER: (OWN, "none")})
    assert (await change(rig, what)).outcome is Outcome.APPLIED
    assert (carrier.fleet.sim(FIRST_SIM).status, carrier.fleet.sim(FIRST_SIM).customer_org) == (ISSUED, None)
    assert carrier.stats()["needless_sim_patches"] == carrier.stats()["needless_owners"] == 0


# Without an answer


@pytest.mark.parametrize("silence", [FaultKind.RESET, FaultKind.CLOSE, FaultKind.HTML, FaultKind.ERROR])
@pytest.mark.parametrize("processed", [True, False])
async def test_unanswered_patch_is_read_back_before_it_is_sent_again(
    carrier: Emulator, rig: Rig, silence: FaultKind, processed: bool
) -> None:
    carrier.refill([Group(1)])
    carrier.inject(FaultRule(silence, method="PATCH", processed=processed, times=1))
    result = await change(rig)
    assert (result.outcome, result.attempts, result.error) == (Outcome.APPLIED, 1 if processed else 2, "")
    assert calls_to(carrier) == {PATCH_SIM: result.attempts, GET_SIM: 1}
    assert carrier.stats()["needless_owners"] == carrier.stats()["needless_sim_patches"] == 0


@pytest.mark.parametrize(
    ("read", "again"),
    [
        (seen(1, int(OWN)), {"customer_org": {"id": 42}}),
        (seen(0, 42), {"status": {"id": 1}}),
        (seen(0, int(OWN)), BOTH),
    ],
)
async def test_what_shows_already_is_not_sent_again(tmp_path: Path, read: Handler, again: object) -> None:
    carrier = ScriptedCarrier(breaks(httpx.ReadTimeout), read, says(204))
    async with scripted(tmp_path, carrier) as rig:
        result = await change(rig)
    assert (result.outcome, result.attempts) == (Outcome.APPLIED, 2)
    assert bodies(carrier) == [BOTH, again]


async def test_of_two_owners_the_one_that_moved_is_not_sent_again(tmp_path: Path) -> None:
    what = owner_change(ISSUED, owners={CUSTOMER: ("1", "42"), ISSUER: ("1", "2")})
    carrier = ScriptedCarrier(says(502), seen(0, 42), says(204))
    async with scripted(tmp_path, carrier) as rig:
        assert (await change(rig, what)).outcome is Outcome.APPLIED
    assert bodies(carrier)[1] == {"issuer_org": {"id": 2}}


async def test_a_silence_after_which_all_shows_but_the_owner_is_not_applied(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(*[says(502), seen(1, int(OWN))] * ATTEMPTS)
    async with scripted(tmp_path, carrier) as rig:
        result = await change(rig)
    assert (result.outcome, result.attempts, result.now) == (Outcome.FAILED, ATTEMPTS, ACTIVE)
    assert bodies(carrier) == [BOTH, *[{"customer_org": {"id": 42}}] * (ATTEMPTS - 1)]


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (seen(0, 77), "customer_org_id is 77 now: someone else changed it"),
        (seen(1, None), "customer_org_id is none now: someone else changed it"),
        (seen(2, 42), "the SIM is Suspended now: someone else changed it"),
        (says(404), "the SIM is gone now: someone else changed it"),
    ],
)
async def test_what_somebody_else_changed_meanwhile_is_left_to_them(tmp_path: Path, read: Handler, words: str) -> None:
    carrier = ScriptedCarrier(says(502), read)
    async with scripted(tmp_path, carrier) as rig:
        result = await change(rig)
    assert (result.outcome, result.error) == (Outcome.FAILED, words)
    assert len(bodies(carrier)) == 1


async def test_what_can_not_be_read_back_is_raised_as_perhaps_processed(tmp_path: Path) -> None:
    carrier = ScriptedCarrier(says(502), says(503))
    async with scripted(tmp_path, carrier) as rig:
        with pytest.raises(CarrierUnavailable) as caught:
            await change(rig)
    assert caught.value.maybe_processed


# Refusals


@pytest.mark.parametrize("role", ["reseller", "customer"])
async def test_a_refusal_for_the_wrong_role_says_who_may_change_what(carrier: Emulator, rig: Rig, role: str) -> None:
    carrier.refill([Group(1)])
    carrier.configure(role=role)
    result = await change(rig)
    assert (result.outcome, result.attempts, result.http_status) == (Outcome.REFUSED, 1, 403)
    assert "asked for: the status, customer_org_id" in result.error
    assert "its reseller only reseller_org_id and customer_org_id, its customer only the status" in result.error
    assert (carrier.fleet.sim(FIRST_SIM).status, carrier.fleet.sim(FIRST_SIM).customer_org) == (
        ISSUED,
        OWN_ORGANISATION,
    )


@pytest.mark.parametrize(
    ("role", "what"),
    [("reseller", owner_change(ISSUED)), ("customer", Change(2, str(FIRST_SIM), ISSUED, ACTIVE))],
)
async def test_the_part_a_role_may_change_passes_alone(
    tmp_path: Path, carrier: Emulator, role: str, what: Change
) -> None:
    carrier.refill([Group(1)])
    carrier.configure(role=role)
    async with emulated(tmp_path, carrier) as rig:
        assert (await change(rig, what)).outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    "answer",
    [
        says(404, {"error_code": 1401, "message": "Organisation 42 not found"}),
        says(422, {"error_code": 1403, "message": "Organisation type does not fit"}),
        says(400, {"error_code": 1400, "message": "invalid"}),
    ],
)
async def test_an_organisation_that_does_not_fit_is_refused_with_those_that_do(tmp_path: Path, answer: Handler) -> None:
    what = owner_change(ISSUED, owners={CUSTOMER: (OWN, "42"), RESELLER: ("9", "none")})
    carrier = ScriptedCarrier(answer, seen(0, int(OWN)))
    async with scripted(tmp_path, carrier) as rig:
        result = await change(rig, what)
    assert result.outcome is Outcome.REFUSED
    assert result.error.endswith("; customer_org_id takes your own organisation or a direct child of type Enterprise")


async def test_a_refusal_of_what_is_there_already_is_believed_only_after_reading(tmp_path: Path) -> None:
    async with scripted(tmp_path, ScriptedCarrier(says(409, {"error_code": 1405}), seen(1, 42))) as rig:
        assert (await change(rig)).outcome is Outcome.UNCHANGED
    async with scripted(tmp_path, ScriptedCarrier(says(409, {"error_code": 1405}), seen(1, int(OWN)))) as rig:
        result = await change(rig)
    assert (result.outcome, result.now) == (Outcome.REFUSED, ACTIVE)
