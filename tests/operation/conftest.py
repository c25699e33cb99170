"""One `simtandem up` for all tests here, with a carrier, a webhook and a mail server: starting it takes a while.

Each test finds it up and idle, and gives the carrier a fleet of its own: so each can be run alone, and in any order.
"""

from collections.abc import Callable, Iterator

import pytest

from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.free_port import free_port
from tests.operation.sinks import MailBox, Webhook
from tests.operation.site import Site

TOKEN = "hush-application-token-77ab"
HOOK = "hush-T024/B031/x9fe2c"


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with Emulator(token=TOKEN, path_limits=False) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def webhook() -> Iterator[Webhook]:
    with Webhook(HOOK) as webhook:
        yield webhook


@pytest.fixture(scope="session")
def mailbox() -> Iterator[MailBox]:
    with MailBox() as mailbox:
        yield mailbox


@pytest.fixture(scope="session")
def whole_site(
    tmp_path_factory: pytest.TempPathFactory, emulator: Emulator, webhook: Webhook, mailbox: MailBox
) -> Iterator[Site]:
    variables = {
        "SIMTANDEM_EMNIFY_URL": emulator.url,
        "SIMTANDEM_EMNIFY_TOKEN": TOKEN,
        "SIMTANDEM_SIM_CONCURRENCY": "2",
        "SIMTANDEM_INBOX_SETTLE_S": "1",
        "SIMTANDEM_NOTIFY_WEBHOOK": webhook.url,
        "SIMTANDEM_NOTIFY_EMAIL": mailbox.address,
    }
    site = Site(tmp_path_factory.mktemp("site"), free_port(), variables)
    try:
        yield site
    finally:
        site.end_everything()


@pytest.fixture
def site(whole_site: Site) -> Site:
    """It is up, and nothing is under way, whatever the test before did to it."""
    whole_site.ready()
    return whole_site


@pytest.fixture
def fleet(emulator: Emulator) -> Iterator[Callable[..., None]]:
    """Gives the carrier another fleet."""

    def fill(*groups: Group, **behaviour: object) -> None:
        emulator.reset()
        emulator.refill(groups)
        emulator.configure(**behaviour)

    yield fill
    emulator.configure(latency_s=0.0)  # what a failed test leaves under way should end soon


@pytest.fixture
def person(site: Site) -> Iterator[Callable[[str], tuple[str, str]]]:
    """Gives somebody a credential of their own, until the test is over: from then on everybody must have one."""
    added = []

    def add(name: str) -> tuple[str, str]:
        added.append(name)
        return site.add_person(name)

    yield add
    for name in added:
        site.run("people", "remove", name)
