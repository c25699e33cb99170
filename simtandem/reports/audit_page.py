"""The page of an audit: what it found, what that costs, since when and through whom, and what repairs it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from schemas.statuses import Cause, Finding
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain import charge_words
from simtandem.domain.labels import ATTRIBUTIONS, Label, finding_labels
from simtandem.domain.split_pairs import SPLIT
from simtandem.reports import history_charts, page_shell
from simtandem.reports.audit_document import found
from simtandem.reports.next_steps import Advice
from simtandem.reports.run_commands import in_account
from simtandem.text.formats import of
from simtandem.text.shell_line import shell_line

SHOWN = 500
"""Rows of each kind on the page; the CSV has all."""

_CHARGED = SPLIT[:2]


def write(
    path: Path,
    told: Mapping[str, Any],
    findings: pl.DataFrame,
    explained: pl.DataFrame,
    files: Mapping[str, Path],
    earlier: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the page, all or nothing; a `LedgerError` names the file if it can't be written."""
    page_shell.write(path, render(told, findings, explained, files, earlier))


def render(
    told: Mapping[str, Any],
    findings: pl.DataFrame,
    explained: pl.DataFrame,
    files: Mapping[str, Path],
    earlier: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The page as HTML.

    `told` is what the audit keeps in the ledger, `earlier` the same of the audits before, oldest first; the tables are
    as in `schemas.tables`.
    """
    others = explained.filter(pl.col("cause") != Cause.OURS)
    listed_at = _listed_at(told)
    return page_shell.render(
        "audit.html.j2",
        told=told,
        listed_at=listed_at,
        headline=_headline(told),
        labels=_labels(told),
        attributions=ATTRIBUTIONS,
        split_charts=split_charts([*earlier, told]),
        no_money=_no_money(told),
        money=money_chart([*earlier, told]),
        ages=history_charts.ages(findings, listed_at),
        shown={finding: findings.filter(pl.col("finding") == finding).head(SHOWN).to_dicts() for finding in Finding},
        changes=others.head(SHOWN).to_dicts(),
        changes_in_all=others.height,
        limit=SHOWN,
        files={name: path.name for name, path in files.items()},
        advice=_next_steps(told, files),
    )


def split_charts(audits: Iterable[Mapping[str, Any]]) -> list[history_charts.History]:
    """Split pairs by kind over these audits, oldest first; nothing where there is none."""
    known = list(audits)
    labels = _labels(known[-1]) if known else {}
    return [
        history_charts.history(
            labels[finding].name, [(_listed_at(each), each["findings"].get(finding, 0)) for each in known]
        )
        for finding in SPLIT
        if finding in labels
    ]


def money_chart(audits: Iterable[Mapping[str, Any]]) -> history_charts.History | None:
    """What was charged for nothing, a month, over these audits; None where no audit had a rate."""
    values = [(_listed_at(each), float(each["cost"]["per_month"])) for each in audits if each.get("cost")]
    return history_charts.history("Charged for nothing a month", values) if values else None


def _no_money(told: Mapping[str, Any]) -> str:
    """Why the page has no price."""
    if charge_words.known(lifecycle_of(told.get("carrier", "emnify"))):
        return "SIMTANDEM_MONTHLY_RATE is not set"
    return "which SIMs are charged, and how much, is the contract's"


def _labels(told: Mapping[str, Any]) -> dict[Finding, Label]:
    """In the words of the carrier that was audited; without those of pairs where a device has no second half."""
    rules = lifecycle_of(told.get("carrier", "emnify"))
    halved = {*SPLIT, Finding.ENDPOINT_WITHOUT_SIM} if not rules.has_endpoints else set()
    return {finding: label for finding, label in finding_labels(rules).items() if finding not in halved}


def _listed_at(told: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(told["listed_at"])


def _headline(told: Mapping[str, Any]) -> dict[str, str]:
    """The whole audit in a sentence, how good that is, and what costs money in a few words."""
    text = f"{found(told)} in {of(told['sims'], 'SIM')} and {of(told['endpoints'], 'endpoint')}"
    if not any(told["findings"].values()):
        return {"level": "good", "word": "Nothing found", "text": text, "detail": ""}
    idle = sum(told["findings"][finding] for finding in _CHARGED)
    detail = [f"{of(idle, 'SIM')} charged without working"] if idle else []
    if idle and told.get("cost"):
        detail.append(f"{told['cost']['per_month']} {told['cost']['currency']}".strip() + " a month")
    word = "Act now" if idle else "Needs attention"
    return {"level": "bad" if idle else "mixed", "word": word, "text": text, "detail": ", ".join(detail)}


def _next_steps(told: Mapping[str, Any], files: Mapping[str, Path]) -> list[Advice]:
    """What to do, what costs money first; never empty."""
    order = (*SPLIT, *(finding for finding in Finding if finding not in SPLIT))
    steps = [_repair(told, finding, files[f"repair-{finding}"]) for finding in order if f"repair-{finding}" in files]
    if "assign" in files:
        steps.append(_assign(told, files["assign"]))
    if awaited := told["causes"].get(Cause.AWAITED, 0):
        late = f"The event of {of(awaited, 'change')} may still arrive. An audit after 15 minutes reads it."
        audit = in_account("simtandem audit", told.get("account", ""))
        steps.append(Advice("Audit again to see who made the latest changes", late, audit))
    if not told.get("cost") and any(told["findings"][finding] for finding in _CHARGED):
        rate = "Set SIMTANDEM_MONTHLY_RATE to what a charged SIM costs a month, and audits show money."
        steps.append(Advice("The page shows no money", rate))
    nothing = Advice("Nothing to do", "No finding has a repair. The next audit compares with this one.")
    return steps or [nothing]


def _assign(told: Mapping[str, Any], file: Path) -> Advice:
    count = told["findings"][Finding.ENDPOINT_WITHOUT_SIM]
    text = (
        f"{file.name} has a row for each. Fill in the iccid or sim_id of the SIM that belongs there and send it. "
        "Rows without a SIM are invalid, and nothing is sent for them:"
    )
    command = in_account(f"simtandem action {shell_line([str(file)])}", told.get("account", ""))
    return Advice(f"{of(count, 'endpoint')} without a SIM", text, command)


def _repair(told: Mapping[str, Any], finding: Finding, file: Path) -> Advice:
    rows, found = told["repairable"][finding], told["findings"][finding]
    label = _labels(told)[finding]
    text = f"{label.meaning} {file.name} names the status that ends it for {of(rows, 'row')}. "
    if found > rows:
        text += f"No status ends it for the other {found - rows:,}: see their list below. "
    return Advice(
        f"{label.name}: {of(found, 'device')}",
        text + "This shows the plan, and asks before it sends anything:",
        in_account(f"simtandem apply {shell_line([str(file)])}", told.get("account", "")),
        urgent=finding in _CHARGED,
    )
