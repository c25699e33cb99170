"""The command line. Results go to stdout, everything else to stderr; the exit code says how it ended."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand

from simtandem import __version__
from simtandem.cli.options import (
    AcceptLarge,
    AsJson,
    BatchSize,
    ChangeOwners,
    Commands,
    Digest,
    File,
    Quiet,
    RunId,
    To,
    Verbose,
    Yes,
    end,
    output_for,
    request_for,
)
from simtandem.cli.schedule import schedule
from simtandem.errors import SimtandemError
from simtandem.host import standard_streams
from simtandem.host.process_exit import leave

app = Commands(
    name="simtandem",
    help="Change the status of whole fleets of IoT SIMs, safely: SIM and endpoint move in tandem.",
    epilog="Exit codes: 0 all in sync, 1 some devices are not, 2 unusable input, 3 refused by a safety limit, "
    "4 carrier out of reach, 130 interrupted. Settings: SIMTANDEM_* variables, see the README.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(schedule, name="schedule")


@app.command()
def demo(*, quiet: Quiet = False) -> None:
    """Show the whole job on the built-in emulator: no account, no set-up."""
    from simtandem.cli.demo import run_demo

    raise typer.Exit(run_demo(quiet=quiet))


@app.command()
def plan(
    file: File,
    to: To = None,
    batch_size: BatchSize = 500,
    digest: Digest = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="As for apply: a plan asks nothing.")] = False,
    accept_large: AcceptLarge = False,
    change_owners: ChangeOwners = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Validate FILE, list the carrier, compare; show and write the plan. Changes nothing.

    It takes the options of apply, and exits with 3 where apply with the same options would refuse the plan.
    """
    from simtandem.cli import bulk_commands

    del yes
    allowed = {"accept_large": accept_large, "change_owners": change_owners}
    request = request_for(file, to, batch_size, plan_digest=digest, **allowed)
    end(bulk_commands.look("plan", request, output_for(as_json, quiet, verbose)))


@app.command()
def apply(
    file: File,
    to: To = None,
    batch_size: BatchSize = 500,
    digest: Digest = None,
    *,
    yes: Yes = False,
    accept_large: AcceptLarge = False,
    change_owners: ChangeOwners = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Plan, check the safety limits, patch in paired batches, reconcile, report."""
    from simtandem.cli import bulk_commands

    allowed = {"accept_large": accept_large, "change_owners": change_owners}
    request = request_for(file, to, batch_size, plan_digest=digest, **allowed)
    end(bulk_commands.apply(request, output_for(as_json, quiet, verbose), yes=yes))


@app.command()
def reconcile(
    file: File, to: To = None, *, as_json: AsJson = False, quiet: Quiet = False, verbose: Verbose = False
) -> None:
    """Compare FILE with the carrier's listing. Changes nothing; exit code 0 if nothing differs."""
    from simtandem.cli import bulk_commands

    end(bulk_commands.look("reconcile", request_for(file, to), output_for(as_json, quiet, verbose)))


@app.command()
def runs(
    *, limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many.")] = 20, as_json: AsJson = False
) -> None:
    """List the latest runs and how they ended."""
    from simtandem.cli import runs as history

    history.show_runs(limit, as_json=as_json)


@app.command()
def report(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A run's id, or its beginning.", show_default=False)
    ] = None,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="html, xlsx, csv, parquet or json.")] = "html",
    since: Annotated[str | None, typer.Option(metavar="DATE", help="All runs begun from this day on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="... to the end of this one; else today.")] = None,
    *,
    events: Annotated[bool, typer.Option("--events", help="First read from the carrier who changed what.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the report of RUN, or of all runs of a period, from the ledger; say where it is."""
    from simtandem.cli import runs as history
    from simtandem.runs import audit_report

    wanted = audit_report.parse_format(form)
    if (run is None) == (since is None and until is None):
        raise typer.BadParameter("Name a run, or a period with --since and --until.")
    if events and run is None:
        raise typer.BadParameter("--events reads those of one run: name it.")
    if events and run is not None:
        run = audit_report.read_events(run)
    if run is None:
        audit_report.show_period(since, until, wanted, as_json=as_json)
    elif wanted == "html":
        history.show_report(run, as_json=as_json)
    else:
        audit_report.show_run(run, wanted, as_json=as_json)


@app.command()
def retry(
    run: RunId,
    batch_size: BatchSize = 500,
    *,
    yes: Yes = False,
    accept_large: AcceptLarge = False,
    change_owners: ChangeOwners = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Apply what RUN left open: the rows of its retry.csv, or all its rows if it was killed before writing one."""
    from simtandem.cli import bulk_commands
    from simtandem.cli import runs as history

    run_id, file = history.open_rows(run)
    allowed = {"accept_large": accept_large, "change_owners": change_owners}
    request = request_for(file, None, batch_size, retry_of=run_id, **allowed)
    end(bulk_commands.apply(request, output_for(as_json, quiet, verbose), yes=yes))


@app.command()
def audit(*, as_json: AsJson = False, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Look at the whole fleet: split pairs, what costs money for nothing, drift. Changes nothing; exit 0 if clean."""
    from simtandem.cli import audit as fleet_audit

    end(fleet_audit.audit(output_for(as_json, quiet, verbose)))


@app.command()
def undo(
    run: RunId,
    batch_size: BatchSize = 500,
    digest: Digest = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Carry it out; else it is only planned.")] = False,
    accept_large: AcceptLarge = False,
    change_owners: ChangeOwners = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Plan the inverse of RUN for the devices still where it left them; with --yes, apply it."""
    from simtandem.cli import bulk_commands
    from simtandem.runs.undo import named

    run_id = named(run)
    file = Path(f"undo of {run_id}")
    allowed = {"accept_large": accept_large, "change_owners": change_owners}
    request = request_for(file, None, batch_size, plan_digest=digest, undo_of=run_id, **allowed)
    output = output_for(as_json, quiet, verbose)
    end(bulk_commands.apply(request, output, yes=True) if yes else bulk_commands.look("plan", request, output))


@app.command()
def compare(first: RunId, second: RunId, *, as_json: AsJson = False) -> None:
    """Say which devices differ between two runs: in what was asked, in where they ended, in the verdict."""
    from simtandem.cli.compare import show_differences

    end(show_differences(first, second, as_json=as_json))


@app.command()
def verify(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A run's id, or its beginning.", show_default="all runs")
    ] = None,
    head: Annotated[
        str | None, typer.Option("--head", metavar="HASH", help="A head of RUN's chain that you kept: is it in there?")
    ] = None,
    *,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the table of last known statuses anew from the runs, then verify.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether the record is untouched, and if not, which fact was changed, taken away or added."""
    from simtandem.cli.verify import show_proof

    end(show_proof(run, head, as_json=as_json, rebuild=rebuild))


@app.command()
def prune(
    before: Annotated[str, typer.Option("--before", metavar="DATE", help="Runs that ended before this day (UTC).")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it; else it is only told what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Archive the details of old runs and take them out of the ledger; heads, states and counts stay."""
    from simtandem.cli.prune import prune_before

    end(prune_before(before, yes=yes, as_json=as_json))


@app.command("retry-token")
def retry_token(*, as_json: AsJson = False) -> None:
    """Let an application token that the carrier refused be tried once more. Sends nothing itself."""
    from simtandem.cli.retry_token import forget_refusals

    end(forget_refusals(as_json=as_json))


@app.command(cls=TyperCommand)
def emulator(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8080,
    devices: Annotated[int, typer.Option(min=0, max=1_000_000, help="How many to begin with.")] = 1000,
) -> None:
    """Be a carrier on localhost, to try things on."""
    from simtandem.cli.demo import run_emulator

    run_emulator(port, devices)


@app.command()
def deploy() -> None:
    """Put deployments, work pool and automations on the Prefect server of PREFECT_API_URL. Harmless to repeat."""
    from simtandem.prefect_server import up_commands as operation

    operation.deploy_all()


@app.command()
def up(
    host: Annotated[
        str, typer.Option(help="Address to listen on; another than this one needs an auth string.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the UI and the API.")] = 4200,
) -> None:
    """Run it all on this machine until Ctrl-C: Prefect server, deployments, schedules, a worker."""
    from simtandem.prefect_server import up_commands as operation

    operation.serve(host, port)


def _version(wanted: bool) -> None:  # noqa: FBT001 - Typer's callback signature
    if wanted:
        standard_streams.say(f"simtandem {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    *, version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False
) -> None:
    """Options that stand before a command."""


def main() -> None:
    """Run the command line; every error becomes a message and an exit code."""
    standard_streams.open_streams()
    try:
        standard_streams.require_text(sys.argv[1:])
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except SimtandemError as error:
        code = standard_streams.complain(type(error).__name__, str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = standard_streams.complain(
            "Interrupted", "Stopped. What was sent is recorded; run it again to go on.", 130
        )
    except typer.TyperException as error:
        code = standard_streams.complain("Usage", f"{_what(error)}\nTry `simtandem --help`.", 2)
    except BrokenPipeError:
        standard_streams.drop_output()
        code = standard_streams.complain("Output", "Nobody reads the output any more. What was sent is recorded.", 1)
    except OSError as error:
        code = (
            standard_streams.unwritten(error)
            if standard_streams.is_of_output(error)
            else standard_streams.unexpected(error)
        )
    except UnicodeEncodeError:
        code = standard_streams.complain("Usage", "A name or an argument is not UTF-8 text. Nothing was sent.", 2)
    except MemoryError:
        code = standard_streams.complain(
            "Memory", "There is not enough memory. What was sent is recorded; run it again to go on.", 1
        )
    except Exception as error:  # noqa: BLE001 - the last word of the program
        code = standard_streams.unexpected(error)
    leave(code or 0)


def _what(error: Exception) -> str:
    wording = getattr(error, "format_message", None)
    return str(wording() if wording else error)


if __name__ == "__main__":
    main()
