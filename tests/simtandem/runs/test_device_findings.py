"""What audits found about a device, in its history."""

from pathlib import Path

import polars as pl

from simtandem.emulator.server import Emulator
from simtandem.ledger.device_history import of_device
from simtandem.ledger.store import Ledger
from simtandem.runs.device_findings import with_findings
from simtandem.settings import Settings
from tests.simtandem.runs.conftest import Auditor


def _history(settings: Settings, kind: str, ident: str) -> pl.DataFrame:
    with Ledger.open(settings.ledger()) as ledger:
        history = of_device(ledger, kind, ident)
        return with_findings(history, kind, ident, settings.runs_folder, ledger).filter(pl.col("finding").is_not_null())


async def test_a_finding_that_stands_for_many_audits_is_one_line_and_ends_with_its_end(
    audit: Auditor, settings: Settings, carrier: Emulator
) -> None:
    first = await audit()
    table = pl.read_parquet(settings.runs_folder / _runs(settings)[0] / "work" / "findings.parquet")
    found = table.filter(pl.col("finding") == "paying_but_off").row(0, named=True)
    assert first.counts["paying_but_off"] == 4
    await audit()
    line = _history(settings, "sim_id", found["sim_id"]).row(0, named=True)
    runs = _runs(settings)
    assert (line["finding"], line["kind"], line["run_id"]) == ("paying_but_off", "audit", runs[0])
    assert (line["audits"], line["last_audit"]) == (2, runs[1])
    assert (line["after"], line["reason"]) == (found["now"], found["remedy"])
    assert _history(settings, "endpoint_id", found["endpoint_id"]).height == 1, "it is found by its other ids as well"
    assert _history(settings, "sim_id", "987654321").is_empty()

    (settings.runs_folder / runs[1] / "work" / "findings.parquet").write_bytes(b"PAR1 no more")
    [line] = _history(settings, "sim_id", found["sim_id"]).to_dicts()
    assert line["audits"] == 1, "a damaged table is left out"


def _runs(settings: Settings) -> list[str]:
    return sorted(each.name for each in Path(settings.runs_folder).iterdir())
