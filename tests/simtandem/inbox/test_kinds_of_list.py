import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from openpyxl import Workbook

from simtandem.ledger.store import Ledger
from simtandem.settings import Settings
from tests.simtandem.inbox.acting import look_in, tree

Sim = Callable[[int], str]


@pytest.mark.parametrize("name", ["Depot 7.XLSX", "a.csv.gz"])
def test_workbooks_and_packed_lists_are_taken_and_their_results_lie_beside_them(
    settings: Settings, ledger: Ledger, inbox: Path, sim: Sim, name: str
) -> None:
    rows: list[list[Any]] = [["ICCID", "status"], [sim(11), "activated"], [int(sim(12)), "activated"]]
    if name.endswith(".gz"):
        text = "\n".join(",".join(map(str, row)) for row in [*rows[:2], ["8.98E+18", "activated"]])
        (inbox / name).write_bytes(gzip.compress(text.encode()))
    else:
        book = Workbook()
        for row in rows:
            book.active.append(row)
        book.save(inbox / name)
    look_in(settings, ledger)
    stem = name.rpartition(".")[0]
    beside = [f"{stem}.{what}" for what in ("invalid.csv", "report.html", "results.csv")]
    assert tree(inbox) == sorted(f"processed/{each}" for each in (name, *beside))
    assert "lost digits" in (inbox / "processed" / f"{stem}.invalid.csv").read_text()


def test_own_columns_of_a_file_are_in_its_results(
    settings: Settings, ledger: Ledger, inbox: Path, drop: Callable[..., Path], sim: Sim
) -> None:
    rows = [f"{sim(11)},activated,Depot 7", f"{sim(11)},activated,Depot 8", "12,activated,Depot 9"]
    drop("a.csv", *rows, header="iccid,status,Site")
    look_in(settings, ledger)
    results = pl.read_csv(inbox / "processed" / "a.results.csv", infer_schema=False)
    assert results["Site"].to_list() == ["Depot 7", "Depot 8", None]
