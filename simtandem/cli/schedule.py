"""The commands `simtandem schedule ...`."""

from typing import Annotated

import typer

from simtandem.cli.options import AsJson, Commands, File, To, target_of

schedule = Commands(help="What is to happen later: list, add, cancel.", no_args_is_help=True)


@schedule.command("list")
def schedule_list(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those that are done, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what is scheduled and not done yet."""
    from simtandem.cli import schedule_commands

    raise typer.Exit(schedule_commands.show_schedules(everything=everything, as_json=as_json))


@schedule.command("add")
def schedule_add(
    file: File,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="WHEN", help="ISO date or date and time, for rows without effective_at; or: now."),
    ] = None,
    to: To = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Validate FILE and schedule it; the flow scheduled-updates carries it out when it is due."""
    from simtandem.cli import schedule_commands

    raise typer.Exit(schedule_commands.add(file, at, target_of(to), as_json=as_json))


@schedule.command("cancel")
def schedule_cancel(
    ident: Annotated[str, typer.Argument(metavar="ID", help="A schedule's id, or its beginning.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Cancel what is scheduled and not applied yet."""
    from simtandem.cli import schedule_commands

    raise typer.Exit(schedule_commands.cancel(ident, as_json=as_json))
