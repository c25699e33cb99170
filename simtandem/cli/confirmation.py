"""The question before changes are sent."""

from rich.console import Console

from schemas.accounts import DEFAULT
from simtandem import progress
from simtandem.cli.plan_output import PlanView, sentence, show_plan
from simtandem.cli.typed_line import answered_yes, typed_line
from simtandem.domain import safety
from simtandem.runs.fresh_look import note_confirmed
from simtandem.runs.run import Run


async def confirmed(run: Run, console: Console) -> bool:
    """Show the plan of a run and ask whether to send its changes. A plan without changes needs no question."""
    progress.current().idles()
    view = PlanView.of_run(run)
    show_plan(console, view)
    if not view.plan["sim_changes"] + view.plan["endpoint_changes"]:
        return True
    agreed = await _asked(run, view, console)
    if agreed:
        note_confirmed(run)
    return agreed


async def _asked(run: Run, view: PlanView, console: Console) -> bool:
    """Ask; where many SIMs would be activated permanently, for their number, which is not typed by habit."""
    console.print()
    console.print(sentence(view), soft_wrap=True)
    return await _answer(run, console, view.for_good)


async def _answer(run: Run, console: Console, for_good: int) -> bool:
    settings = run.settings
    host = settings.carrier_host if settings.account == DEFAULT else str(settings.account_key)
    if for_good <= run.settings.confirm_newly_billed or run.request.accept_large:
        console.print(f"Send these changes to {host}? [y/N] ", end="")
        return await answered_yes()
    console.print(safety.for_good(for_good, run.lifecycle), markup=False, soft_wrap=True)
    console.print(f"To send these changes to {host}, type the number of these SIMs: ", end="", markup=False)
    return (await typed_line()).strip().replace(",", "") == str(for_good)


async def agreed(run: Run, console: Console, summary: str, for_good: int) -> bool:
    """Ask whether to send what `summary` says. Where it bills many SIMs permanently, their number has to be typed."""
    console.print()
    console.print(summary, markup=False, style="bold", soft_wrap=True)
    return await _answer(run, console, for_good)
