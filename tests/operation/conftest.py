"""One `simtandem up` for all tests here, with a carrier, a webhook and a mail server: starting it takes a while."""

import socket
from collections.abc import Callable, Iterator

import pytest

from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
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
def site(
    tmp_path_factory: pytest.TempPathFactory, emulator: Emulator, webhook: Webhook, mailbox: MailBox
) -> Iterator[Site]:
    variables = {
        "SIMTANDEM_EMNIFY_URL": emulator.url,
        "SIMTANDEM_EMNIFY_TOKEN": TOKEN,
        "SIMTANDEM_SIM_CONCURRENCY": "2",
        "SIMTANDEM_NOTIFY_WEBHOOK": webhook.url,
        "SIMTANDEM_NOTIFY_EMAIL": mailbox.address,
    }
    site = Site(tmp_path_factory.mktemp("site"), _free_port(), variables)
    try:
        site.start()
        yield site
    finally:
        site.end_everything()


@pytest.fixture
def fleet(emulator: Emulator) -> Iterator[Callable[..., None]]:
    """Gives the carrier another fleet."""

    def fill(*groups: Group, **behaviour: object) -> None:
        emulator.reset()
        emulator.refill(groups)
        emulator.configure(**behaviour)

    yield fill
    emulator.configure(latency_s=0.0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
