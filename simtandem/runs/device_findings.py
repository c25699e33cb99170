"""What audits found about one device, from the tables that they left in this home."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from simtandem.ledger.device_history import HISTORY, IDS
from simtandem.ledger.records import RunKind, RunSummary
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import instant_text
from simtandem.runs.run_folder import RunFolder

FINDING_HISTORY = pl.Schema({**HISTORY, "finding": pl.String(), "audits": pl.Int64(), "last_audit": pl.String()})
"""As `HISTORY`; of a finding also its kind, in how many audits in a row it stood, and the last of them."""
_MOST_RUNS = 100_000


def with_findings(
    history: pl.DataFrame, kind: str, ident: str, runs_folder: Path, ledger: Ledger, account: str = ""
) -> pl.DataFrame:
    """A device's history (`HISTORY`) and what audits found about it, the oldest first (`FINDING_HISTORY`).

    `kind` and `ident` name the device. A finding that stands audit after audit is one line. An audit whose table is no
    longer in `runs_folder`, or is damaged, is left out.
    """
    ids = {name: set(history[name].drop_nulls()) for name in IDS}
    ids[kind].add(ident)
    runs = [each for each in ledger.runs(_MOST_RUNS, account=account) if each.record.kind is RunKind.AUDIT]
    lines = list(_lines(sorted(runs, key=lambda each: each.record.run_id), ids, runs_folder))
    found = pl.DataFrame(lines, schema=FINDING_HISTORY)
    return pl.concat([history, found], how="diagonal").select(FINDING_HISTORY.names()).sort("at", maintain_order=True)


def _lines(
    audits: Iterable[RunSummary], ids: Mapping[str, Collection[str]], runs_folder: Path
) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = []
    standing: dict[tuple[str, str, str], dict[str, object]] = {}
    for audit in audits:
        found = _found(RunFolder(runs_folder / audit.record.run_id), ids)
        if found is None:
            continue
        now: dict[tuple[str, str, str], dict[str, object]] = {}
        for row in found.iter_rows(named=True):
            key = (audit.record.account, row["finding"], row["now"])
            line = standing.get(key)
            if line is None:
                lines.append(line := _line(audit, row))
            line["audits"] = int(str(line["audits"])) + 1
            line["last_audit"] = audit.record.run_id
            now[key] = line
        others = {key: line for key, line in standing.items() if key[0] != audit.record.account}
        standing = {**others, **now}
    return lines


def _found(folder: RunFolder, ids: Mapping[str, Collection[str]]) -> pl.DataFrame | None:
    """An audit's findings about the device; None where it left none that can be read."""
    named = [pl.col(kind).is_in(list(values)) for kind, values in ids.items() if values]
    if not named or not folder.has("findings.parquet"):
        return None
    try:
        return pl.scan_parquet(folder.path / "work" / "findings.parquet").filter(pl.any_horizontal(named)).collect()
    except (OSError, PolarsError):
        return None


def _line(audit: RunSummary, row: Mapping[str, object]) -> dict[str, object]:
    record = audit.record
    told = {"account": record.account, "run_id": record.run_id, "kind": str(record.kind), "finding": row["finding"]}
    device = {name: row[name] for name in ("sim_id", "endpoint_id", "iccid")}
    return {
        **told,
        **device,
        "at": instant_text(record.started_at),
        "before": row["now"],
        "after": row["now"],
        "reason": row["remedy"],
        "audits": 0,
    }
