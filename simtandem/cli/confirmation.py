"""The question before changes are sent."""

import asyncio
import sys

from rich.console import Console

from schemas.accounts import DEFAULT
from simtandem.cli.plan_output import PlanView, sentence, show_plan
from simtandem.domain import safety
from simtandem.runs.fresh_look import note_confirmed
from simtandem.runs.run import Run


async def confirmed(run: Run, console: Console) -> bool:
    """Show the plan of a run and ask whether to send its changes. A plan without changes needs no question."""
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
    settings, for_good = run.settings, view.for_good
    host = settings.carrier_host if settings.account == DEFAULT else str(settings.account_key)
    console.print()
    console.print(sentence(view), soft_wrap=True)
    if for_good <= run.settings.confirm_newly_billed or run.request.accept_large:
        console.print(f"Send these changes to {host}? [y/N] ", end="")
        return (await _typed_line()).strip().lower() in ("y", "yes")
    console.print(safety.for_good(for_good, run.lifecycle), markup=False, soft_wrap=True)
    console.print(f"To send these changes to {host}, type the number of these SIMs: ", end="", markup=False)
    return (await _typed_line()).strip().replace(",", "") == str(for_good)


async def _typed_line() -> str:
    """A line from the terminal. The event loop keeps running until it is typed, so that Ctrl-C is handled at once."""
    loop, typed = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline()
