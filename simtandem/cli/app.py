"""The command line. Results go to stdout, everything else to stderr; the exit code says how a command ended."""

import sys
from typing import Annotated

import typer

from simtandem import __version__
from simtandem.cli.commands import Commands, use_log_format
from simtandem.errors import SimtandemError
from simtandem.host import standard_streams
from simtandem.host.importing import leave_out_unused
from simtandem.host.process_exit import leave

app = typer.Typer(
    name="simtandem",
    cls=Commands,
    help="Change the status of whole fleets of IoT SIMs, safely: SIM and endpoint move in tandem.",
    epilog="Exit codes: 0 all in sync, 1 some devices are not, 2 unusable input, 3 refused by a safety limit, "
    "4 carrier out of reach, 130 interrupted. Settings: SIMTANDEM_* variables, see the README.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - Typer's callback signature
    if wanted:
        standard_streams.say(f"simtandem {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options that are before a command."""


def main() -> None:
    """Run the command line; every error becomes a message and an exit code."""
    standard_streams.open_streams()
    leave_out_unused()
    try:
        code = _run()
    except SimtandemError as error:
        code = standard_streams.complain(type(error).__name__, str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = standard_streams.complain(
            "Interrupted", "Stopped. If anything was sent, it is recorded: see `simtandem runs`.", 130
        )
    except typer.TyperException as error:
        code = standard_streams.complain("Usage", said, 2) if (said := _usage(error)) else 2
    except BrokenPipeError:
        standard_streams.drop_output()
        code = standard_streams.complain("Output", "The reader of stdout has ended. What was sent is recorded.", 1)
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
            "Memory", "There is not enough memory. What was sent is recorded; run it again to continue.", 1
        )
    except Exception as error:  # noqa: BLE001 - the last resort of the program
        code = standard_streams.unexpected(error)
    leave(code or 0)


def _run() -> int | None:
    """Run the command; its exit code. What ends it with an error is said in the format that is asked for."""
    try:
        standard_streams.require_text(sys.argv[1:])
        code: int | None = app(prog_name="simtandem", standalone_mode=False)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt):
        use_log_format()
        raise
    return code


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the arguments, and where the right ones are described; empty where that was shown instead."""
    message, possible = str(error.format_message()), getattr(error, "possibilities", None)
    if not message:
        return ""
    if possible:
        message = f"{error.message}. Did you mean {', '.join(possible)}?"
    context = getattr(error, "ctx", None)
    return f"{message}\nTry `{context.command_path if context else 'simtandem'} --help`."


if __name__ == "__main__":
    main()
