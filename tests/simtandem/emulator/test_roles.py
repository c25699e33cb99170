"""What the caller's organisation is to a SIM decides what it may change; owners set to what they are get counted."""

import httpx
import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.behaviour import Behaviour
from simtandem.emulator.devices import OWN_ORGANISATION
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator

SIM = 10_000_001
STATUS = {"status": {"id": 1}}
CUSTOMER, RESELLER, ISSUER = ({f"{name}_org": {"id": 12}} for name in ("customer", "reseller", "issuer"))


@pytest.fixture
def patch(emulator: Emulator, client: httpx.Client) -> httpx.Client:
    emulator.refill([Group(1, SimStatus.ISSUED, EndpointStatus.ENABLED)])
    return client


def answer(client: httpx.Client, body: object) -> int:
    return client.patch(f"/api/v1/sim/{SIM}", json=body).status_code


@pytest.mark.parametrize(
    ("role", "body", "status"),
    [
        ("issuer", {**STATUS, **CUSTOMER, **RESELLER, **ISSUER}, 204),
        ("reseller", {**CUSTOMER, **RESELLER}, 204),
        ("reseller", STATUS, 403),
        ("reseller", {**CUSTOMER, **STATUS}, 403),
        ("reseller", ISSUER, 403),
        ("customer", STATUS, 204),
        ("customer", CUSTOMER, 403),
        ("customer", {**STATUS, **RESELLER}, 403),
    ],
)
def test_each_role_may_change_its_part(
    emulator: Emulator, patch: httpx.Client, role: str, body: dict[str, object], status: int
) -> None:
    emulator.configure(role=role)
    assert answer(patch, body) == status


def test_a_patch_of_which_a_part_is_forbidden_changes_nothing(emulator: Emulator, patch: httpx.Client) -> None:
    emulator.configure(role="customer")
    refused = patch.patch(f"/api/v1/sim/{SIM}", json={**STATUS, **CUSTOMER})
    assert (refused.status_code, refused.json()["error_code"]) == (403, 1104)
    assert "customer_org" in refused.json()["message"]
    sim = emulator.fleet.sim(SIM)
    assert (sim.status, sim.customer_org) == (SimStatus.ISSUED, OWN_ORGANISATION)


def test_an_unknown_sim_is_not_found_whatever_the_role(emulator: Emulator, patch: httpx.Client) -> None:
    emulator.configure(role="customer")
    assert patch.patch("/api/v1/sim/99", json=CUSTOMER).status_code == 404


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(ValueError, match="role"):
        Behaviour().change(role="neighbour")


def test_an_owner_set_to_what_it_is_counts_as_needless(emulator: Emulator, patch: httpx.Client) -> None:
    assert answer(patch, CUSTOMER) == 204
    assert emulator.stats()["needless_owners"] == 0
    assert answer(patch, {**CUSTOMER, "reseller_org": {"id": None}}) == 204
    assert emulator.stats()["needless_owners"] == 2


def test_an_owner_shows_in_the_listing_at_once(patch: httpx.Client) -> None:
    patch.get("/api/v1/sim")
    answer(patch, RESELLER)
    assert patch.get("/api/v1/sim").json()[0]["reseller_org"]["id"] == 12
