"""Four eyes from end to end: two people with credentials of their own, and a run that needs them both."""

import json
from collections.abc import Callable, Iterator, Mapping

import httpx
import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.free_port import free_port
from tests.operation.conftest import TOKEN
from tests.operation.site import Site, pasted, until

pytestmark = pytest.mark.timeout(600)
Login = tuple[str, str]


@pytest.fixture
def strict_site(tmp_path_factory: pytest.TempPathFactory, emulator: Emulator) -> Iterator[Site]:
    """One whose worker demands a second person."""
    variables = {
        "SIMTANDEM_EMNIFY_URL": emulator.url,
        "SIMTANDEM_EMNIFY_TOKEN": TOKEN,
        "SIMTANDEM_FOUR_EYES": "1",
    }
    site = Site(tmp_path_factory.mktemp("strict"), free_port(), variables)
    try:
        site.start()
        yield site
    finally:
        site.end_everything()


def test_what_one_person_asks_for_is_sent_once_another_has_approved_it(
    strict_site: Site, fleet: Callable[..., None], emulator: Emulator
) -> None:
    fleet(Group(2, SimStatus.SUSPENDED, EndpointStatus.DISABLED))
    site, ada, grace = strict_site, strict_site.add_person("ada"), strict_site.add_person("grace")

    run = _begin(site, ada, file=pasted(2), mode="apply", requested_by="Grace", accept_large=True)
    site.reaches(run, "Suspended")
    _approve(site, run, ada, who="Grace")
    until(lambda: "ada (authenticated) asked for this and can't approve it" in _message(site, run), "it asks again")
    assert _statuses(emulator) == {SimStatus.SUSPENDED}, "nothing is sent on the word of whoever asks"

    _approve(site, run, grace, who="Ada")
    assert site.reaches(run)["name"] == "Completed"
    assert _statuses(emulator) == {SimStatus.ACTIVATED}

    [(detail,)] = site.ledger("SELECT detail FROM run_states WHERE state = 'approved'")
    known = json.loads(detail)
    assert (known["requested_by"], known["requested_by_identity"]) == ("ada", "authenticated")
    assert (known["who"], known["identity"]) == ("grace", "authenticated")
    assert site.run("verify").returncode == 0


def _statuses(emulator: Emulator) -> set[SimStatus]:
    return {sim.status for sim in emulator.fleet.sims.values()}


def _message(site: Site, run: str) -> str:
    return str(site.state(run)["message"])


def _begin(site: Site, login: Login, **params: object) -> str:
    """A run of bulk-update, as that person's browser begins it."""
    path = f"/api/deployments/{site.deployment('bulk-update')['id']}/create_flow_run"
    begun = _post(site, login, path, {"parameters": {"params": params}, "state": {"type": "SCHEDULED"}})
    return str(begun["id"])


def _approve(site: Site, run: str, login: Login, who: str) -> None:
    """That person's yes, with whatever name is typed into the form."""
    answer = {"run_input": {"decision": "approve", "who": who}}
    assert _post(site, login, f"/api/flow_runs/{run}/resume", answer)["status"] == "ACCEPT"


def _post(site: Site, login: Login, path: str, body: Mapping[str, object]) -> dict[str, object]:
    answer = httpx.post(f"{site.address}{path}", json=body, auth=login, timeout=60)
    assert answer.is_success, answer.text
    told: dict[str, object] = answer.json()
    return told
