"""`simtandem audit`."""

import asyncio
from collections.abc import Mapping
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.statuses import Cause, Finding
from simtandem.cli.console import Output
from simtandem.cli.options import AsJson, Quiet, Verbose
from simtandem.runs import audit_output, fleet_audit
from simtandem.settings import load
from simtandem.text.formats import duration
from simtandem.text.terminal import print_json

_NAMES = {
    Finding.PAYING_BUT_OFF: "paying but off: SIM Activated, endpoint Disabled",
    Finding.ON_BUT_DEAD: "on but dead: SIM Suspended, endpoint Enabled",
    Finding.SIM_WITHOUT_ENDPOINT: "paying for nothing: SIM Activated, no endpoint, or a Deleted one",
    Finding.ENDPOINT_WITHOUT_SIM: "endpoint without SIM",
    Finding.FACTORY_TEST: "in Factory Test",
    Finding.DRIFTED: "drifted: left the state simtandem last put them in",
}
_CAUSES = {
    Cause.SOMEBODY: "changed by someone else (API or Portal)",
    Cause.AUTOMATIC: "changed by the carrier",
    Cause.UNEXPLAINED: "changed, no event found",
    Cause.AWAITED: "changed, the event may still arrive",
}


def audit(*, as_json: AsJson = False, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Check the whole fleet: split pairs, wasted cost, drift. Changes nothing; exit code 0 if nothing was found."""
    raise typer.Exit(audit_fleet(Output(as_json, quiet, verbose)))


def audit_fleet(output: Output) -> int:
    """Audit the whole fleet; show the findings. Returns the exit code."""
    output.log()
    settings = load()
    settings.token()
    with output.hooks(), fleet_audit.auditing_of(settings) as one:
        document = asyncio.run(_audit(one))
        told = one.folder.data("told.json")
    if output.as_json:
        print_json(document)
    else:
        show(output.out, document, told)
    return audit_output.exit_code(document)


async def _audit(one: fleet_audit.Audit) -> dict[str, Any]:
    async with one.carrier() as carrier:
        await fleet_audit.list_fleet(one, carrier)
        await fleet_audit.explain_changes(one, carrier)
    return audit_output.finish(one, fleet_audit.judge(one))


def show(console: Console, document: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """Counts, trend and cost; who changed what; where to look next."""
    found = sum(told["findings"].values())
    style = "bold yellow" if found else "bold green"
    console.print()
    console.print(
        Text(f"{found:,} findings in {told['sims']:,} SIMs and {told['endpoints']:,} endpoints.", style=style)
    )
    console.print(_findings(told))
    if told["cost"]:
        cost = told["cost"]
        console.print(
            Text.assemble((f"  {cost['per_month']} {cost['currency']}".rstrip(), "bold"), " a month: "), end=""
        )
        console.print(Text(cost["basis"], style="dim"))
    for cause, words in _CAUSES.items():
        if told["causes"][cause]:
            console.print(Text(f"  {told['causes'][cause]:,} {words}", style="yellow"))
    never, calls = told["never_managed"], told["calls"]["total"]
    console.print(
        Text(
            f"  {never:,} SIMs never managed by simtandem; {calls:,} calls in {duration(told['seconds'])}", style="dim"
        )
    )
    if told["without_status"]:
        console.print(Text(f"  {told['without_status']:,} devices in an unknown status: not judged", style="yellow"))
    if not told["whole"]:
        console.print(Text("  The fleet kept changing while it was listed: run the audit again.", style="yellow"))
    for warning in told.get("warnings", []):
        console.print(Text(f"  {warning}", style="yellow"), soft_wrap=True)
    console.print()
    for name, path in document["files"].items():
        console.print(Text.assemble("  ", (path, "cyan"), (f"  {_about(name)}", "dim")), soft_wrap=True)


def _findings(told: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(justify="right", style="bold")
    table.add_column()
    table.add_column(justify="right", style="dim")
    for finding, name in _NAMES.items():
        count = told["findings"][finding]
        grown = told["trend"][finding] if told["trend"] else 0
        table.add_row(
            f"{count:,}",
            Text(name, style="yellow" if count else "dim"),
            f"{grown:+,} since the last audit" if grown else "",
        )
    return table


def _about(name: str) -> str:
    told = {"report": "HTML report", "findings": "every finding", "changes": "who changed what"}
    return told.get(name) or "device CSV that repairs these: plan it, then apply it"
