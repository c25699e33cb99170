"""`simtandem audit`."""

import asyncio

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.statuses import Cause, Finding
from simtandem.carriers.registry import lifecycle_of, require_credentials
from simtandem.cli.console import Output
from simtandem.cli.options import AsJson, Quiet, Verbose
from simtandem.domain.labels import ATTRIBUTIONS, finding_labels
from simtandem.reports.audit_document import AuditDocument, AuditSummary, found
from simtandem.runs import audit_output, audit_pipeline, fleet_audit
from simtandem.settings import load
from simtandem.text.formats import duration, of
from simtandem.text.terminal import print_json

_FILES = {
    "assign": "endpoints without a SIM: fill in a SIM for each, then simtandem action",
    "report": "HTML report",
    "findings": "every finding",
    "changes": "who changed what",
}


def audit(*, as_json: AsJson = False, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Check the whole fleet: split pairs, wasted cost, drift. Changes nothing; exit code 0 if nothing was found."""
    raise typer.Exit(audit_fleet(Output(as_json, quiet, verbose)))


def audit_fleet(output: Output) -> int:
    """Audit the whole fleet; show the findings. Returns the exit code."""
    output.log()
    settings = load()
    require_credentials(settings)
    with output.hooks(), fleet_audit.auditing_of(settings) as one:
        document = asyncio.run(audit_pipeline.audit_fleet(one))
        summary = audit_output.summary(one.folder)
    if output.as_json:
        print_json(document)
    else:
        show(output.out, document, summary)
    return audit_output.exit_code(document)


def show(console: Console, document: AuditDocument, summary: AuditSummary) -> None:
    """Counts, trend and cost; who changed what; what limits the audit; the files."""
    headline = f"{found(summary)} in {summary['sims']:,} SIMs and {summary['endpoints']:,} endpoints."
    console.print()
    console.print(Text(headline, style="bold yellow" if any(summary["findings"].values()) else "bold green"))
    console.print(_findings(summary))
    if cost := summary["cost"]:
        amount = f"  {cost['per_month']} {cost['currency']}".rstrip()
        console.print(Text.assemble((amount, "bold"), " a month: ", (cost["basis"], "dim")))
    for cause, who in ATTRIBUTIONS.items():
        if cause is not Cause.OURS and summary["causes"][cause]:
            console.print(Text(f"  {of(summary['causes'][cause], 'device')} changed: {who}", style="yellow"))
    calls, seconds = summary["calls"]["total"], duration(summary["seconds"])
    unmanaged = f"  {summary['never_managed']:,} SIMs never managed by simtandem; {calls:,} calls in {seconds}"
    console.print(Text(unmanaged, style="dim"))
    for sentence in _limits(summary):
        console.print(Text(f"  {sentence}", style="yellow"), soft_wrap=True)
    console.print()
    for name, path in document["files"].items():
        about = _FILES.get(name, "device CSV that repairs these: plan it, then apply it")
        console.print(Text.assemble("  ", (path, "cyan"), (f"  {about}", "dim")), soft_wrap=True)


def _limits(summary: AuditSummary) -> list[str]:
    """What the audit could not judge, and warnings."""
    unknown, kept_changing = summary["without_status"], not summary["whole"]
    return [
        *([f"{unknown:,} device{'' if unknown == 1 else 's'} in an unknown status: not judged"] if unknown else []),
        *(["The fleet kept changing while it was listed: run the audit again."] if kept_changing else []),
        *summary.get("warnings", []),
    ]


def _findings(summary: AuditSummary) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(justify="right", style="bold")
    table.add_column()
    table.add_column(justify="right", style="dim")
    rules = lifecycle_of(summary.get("carrier", "emnify"))
    for finding, label in finding_labels(rules).items():
        if not rules.has_endpoints and finding not in (Finding.FACTORY_TEST, Finding.DRIFTED):
            continue  # no device has a second half
        count = summary["findings"][finding]
        grown = summary["trend"][finding] if summary["trend"] else 0
        name = Text.assemble((f"{label.name}. ", "yellow" if count else "dim"), (label.meaning, "dim"))
        table.add_row(f"{count:,}", name, f"{grown:+,} since the last audit" if grown else "")
    return table
