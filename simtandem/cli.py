"""The command line. Results go to stdout, everything else to stderr; the exit code says how it ended."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from simtandem import __version__
from simtandem.errors import SimtandemError

app = typer.Typer(
    name="simtandem",
    help="Change the status of whole fleets of IoT SIMs, safely: SIM and endpoint move in tandem.",
    epilog="Exit codes: 0 all in sync, 1 some devices are not, 2 unusable input, 3 refused by a safety limit, "
    "4 carrier out of reach, 130 interrupted. Settings: SIMTANDEM_* variables, see the README.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The device CSV.", show_default=False)]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="STATUS", help="activated, suspended or factory_test, for rows without a status."),
]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, max=2000, help="Pairs in a batch.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, and nothing else there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the result.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, and show tracebacks.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its beginning.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask. Needed where there is no terminal.")]
AcceptLarge = Annotated[bool, typer.Option("--accept-large", help="Go on beyond the safety limits.")]
Digest = Annotated[str | None, typer.Option("--plan", metavar="DIGEST", help="Apply only the plan with this digest.")]


@app.command()
def demo(*, quiet: Quiet = False) -> None:
    """Show the whole job on the built-in emulator: no account, no set-up."""
    from simtandem.demo import run_demo

    raise typer.Exit(run_demo(quiet=quiet))


@app.command()
def plan(
    file: File,
    to: To = None,
    batch_size: BatchSize = 500,
    *,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Validate FILE, list the carrier, compare; show and write the plan. Changes nothing."""
    from simtandem import commands

    _end(commands.look("plan", _request(file, to, batch_size), _output(as_json, quiet, verbose)))


@app.command()
def apply(
    file: File,
    to: To = None,
    batch_size: BatchSize = 500,
    digest: Digest = None,
    *,
    yes: Yes = False,
    accept_large: AcceptLarge = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Plan, check the safety limits, patch in paired batches, reconcile, report."""
    from simtandem import commands

    request = _request(file, to, batch_size, accept_large=accept_large, plan_digest=digest)
    _end(commands.apply(request, _output(as_json, quiet, verbose), yes=yes))


@app.command()
def reconcile(
    file: File, to: To = None, *, as_json: AsJson = False, quiet: Quiet = False, verbose: Verbose = False
) -> None:
    """Compare FILE with the carrier's listing. Changes nothing; exit code 0 if nothing differs."""
    from simtandem import commands

    _end(commands.look("reconcile", _request(file, to), _output(as_json, quiet, verbose)))


@app.command()
def runs(*, limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20, as_json: AsJson = False) -> None:
    """List the latest runs and how they ended."""
    from simtandem import history

    history.show_runs(limit, as_json=as_json)


@app.command()
def report(run: RunId, *, as_json: AsJson = False) -> None:
    """Write RUN's report again from the ledger, and say where it is."""
    from simtandem import history

    history.show_report(run, as_json=as_json)


@app.command()
def retry(
    run: RunId,
    batch_size: BatchSize = 500,
    *,
    yes: Yes = False,
    accept_large: AcceptLarge = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Apply what RUN left open: the rows of its retry.csv, or all its rows if it was killed before writing one."""
    from simtandem import commands, history

    run_id, file = history.open_rows(run)
    request = _request(file, None, batch_size, accept_large=accept_large, retry_of=run_id)
    _end(commands.apply(request, _output(as_json, quiet, verbose), yes=yes))


@app.command()
def emulator(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8080,
    devices: Annotated[int, typer.Option(min=0, max=1_000_000, help="How many to begin with.")] = 1000,
) -> None:
    """Be a carrier on localhost, to try things on."""
    from simtandem.demo import run_emulator

    run_emulator(port, devices)


def _version(wanted: bool) -> None:  # noqa: FBT001 - Typer's callback signature
    if wanted:
        typer.echo(f"simtandem {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    *, version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False
) -> None:
    """Options that stand before a command."""


def _request(file: Path, to: str | None, batch_size: int = 500, **others: Any) -> Any:
    from schemas.parameters import BulkUpdate, Mode
    from simtandem.errors import InputError
    from simtandem.intake import parse_target

    target = parse_target(to) if to is not None else None
    if to is not None and target is None:
        raise InputError(f"--to {to}: not a status. Use activated, suspended or factory_test. Nothing was sent.")
    return BulkUpdate(file=str(file), to=target, mode=Mode.APPLY, batch_size=batch_size, **others)


def _output(as_json: bool, quiet: bool, verbose: bool) -> Any:  # noqa: FBT001 - see commands.Output
    from simtandem.commands import Output

    return Output(as_json=as_json, quiet=quiet, verbose=verbose)


def _end(exit_code: int) -> None:
    raise typer.Exit(exit_code)


def main() -> None:
    """Run the command line; every error becomes a message and an exit code."""
    try:
        code = app(standalone_mode=False)
    except SimtandemError as error:
        code = _tell(type(error).__name__, str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _tell("Interrupted", "Stopped. What was sent is recorded; run it again to go on.", 130)
    except typer.TyperException as error:
        code = _tell("Usage", f"{_what(error)}\nTry `simtandem --help`.", 2)
    except Exception as error:
        if {"-v", "--verbose"} & set(sys.argv):
            raise
        code = _tell("Unexpected", f"{type(error).__name__}: {error}\nRun again with --verbose to see where.", 1)
    sys.exit(code or 0)


def _what(error: Exception) -> str:
    wording = getattr(error, "format_message", None)
    return str(wording() if wording else error)


def _tell(kind: str, message: str, code: int) -> int:
    Console(stderr=True, highlight=False).print(f"[bold red]{kind}[/]: ", end="")
    Console(stderr=True, highlight=False).print(message, markup=False, soft_wrap=True)
    if "--json" in sys.argv:
        print(json.dumps({"exit_code": code, "error": kind, "message": message}))
    return code


if __name__ == "__main__":
    main()
