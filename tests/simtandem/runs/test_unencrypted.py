"""A run whose token others may read says so wherever it is looked at: plan, document, report, state, log."""

import logging

import pytest
from rich.console import Console

from schemas.statuses import Target
from simtandem.carriers.registry import open_carrier
from simtandem.cli import audit as fleet_audit
from simtandem.emulator.server import Emulator
from simtandem.ledger.records import RunKind
from simtandem.reports.run_document import recorded_document
from simtandem.runs import finish
from simtandem.runs.prepare import read_devices
from simtandem.runs.summary import ending
from tests.simtandem.carriers.emnify.rig import MemoryJournal
from tests.simtandem.runs.acting_carrier import ActingCarrier
from tests.simtandem.runs.conftest import Auditor, MakeRun, prepare
from tests.simtandem.runs.sending import fleet_of

OPEN = {"emnify_url": "http://carrier.test", "emnify_token": "t", "allow_http": True}
SAYS = "calls to carrier.test are not encrypted"


async def test_every_run_says_it(make_run: MakeRun) -> None:
    for kind in (RunKind.PLAN, RunKind.APPLY):
        run = make_run(["1"], Target.ACTIVATED, kind, settings=OPEN)
        await prepare(run, ActingCarrier(fleet_of(1)))
        assert SAYS in " ".join(read_devices(run)["notes"]), "the plan on the terminal shows it"
        told = finish.finish(run)
        assert SAYS in told["warnings"][0]
        assert SAYS in ending(told)
        if kind is RunKind.APPLY:
            assert SAYS in run.folder.file("report.html").read_text()
        document = recorded_document(run.ledger.run(run.run_id).detail)
        assert document is not None
        assert SAYS in document["warnings"][0]


async def test_the_log_says_it_when_the_carrier_is_opened(make_run: MakeRun, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="simtandem"):
        carrier = open_carrier(make_run(["1"], settings=OPEN).settings, MemoryJournal())
        await carrier.aclose()
    assert SAYS in caplog.text


async def test_a_run_over_https_has_nothing_to_say(make_run: MakeRun) -> None:
    run = make_run(["1"])
    await prepare(run, ActingCarrier(fleet_of(1)))
    assert "warnings" not in finish.finish(run)


async def test_an_audit_says_it_too(audit: Auditor, carrier: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    port = carrier.url.rpartition(":")[2]
    found = await audit(emnify_url=f"http://0.0.0.0:{port}", allow_http=True)
    says = "calls to 0.0.0.0"
    assert says in found.document["warnings"][0]
    assert says in found.files["report"].read_text()
    fleet_audit.show(Console(width=200), found.document, found.told)
    assert says in capsys.readouterr().out
