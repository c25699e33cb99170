"""`simtandem retry`."""

from pathlib import Path

import typer

from schemas.waves import WaveCheck
from simtandem.cli.apply import carry_out
from simtandem.cli.console import Output
from simtandem.cli.options import (
    BATCH_SIZE,
    WAVE_WAIT,
    AcceptLarge,
    AsJson,
    BatchSize,
    ChangeOwners,
    Quiet,
    RunId,
    Urgent,
    Verbose,
    WaveApproval,
    WaveChecks,
    WaveLimit,
    Waves,
    WaveWait,
    Yes,
)
from simtandem.cli.request import WaveOptions, request_for
from simtandem.ledger.records import REPORTED, RunRecord
from simtandem.ledger.store import Ledger
from simtandem.runs.retry import FILE, left_by
from simtandem.runs.run_account import reopened
from simtandem.runs.run_folder import RunFolder


def retry(
    run: RunId,
    batch_size: BatchSize = BATCH_SIZE,
    *,
    yes: Yes = False,
    accept_large: AcceptLarge = False,
    change_owners: ChangeOwners = False,
    urgent: Urgent = False,
    waves: Waves = "",
    wave_limit: WaveLimit = "",
    wave_check: WaveChecks = WaveCheck.NONE,
    wave_wait: WaveWait = WAVE_WAIT,
    wave_approval: WaveApproval = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Apply the rows that RUN left open: those of its retry.csv, or all of them if it was killed before it wrote one.

    Moves that no rule allows are left out. What is left is sent in the waves of RUN, unless others are named; --waves
    rest sends it in one go.
    """
    record, file = open_rows(run)
    request = request_for(
        [Path(file)],
        None,
        batch_size,
        account=record.account,
        retry_of=record.run_id,
        accept_large=accept_large,
        change_owners=change_owners,
        urgent=urgent,
        waves=waves_of(record, WaveOptions(waves, wave_limit, wave_check, wave_wait, wave_approval)),
    )
    raise typer.Exit(carry_out(request, Output(as_json, quiet, verbose), yes=yes))


def waves_of(record: RunRecord, named: WaveOptions) -> WaveOptions:
    """Those that are named; where none are, those that the run asked for."""
    asked = record.parameters
    if named != WaveOptions() or not asked.get("waves"):
        return named
    return WaveOptions(
        str(asked["waves"]),
        str(asked["wave_limit"]),
        WaveCheck(str(asked["wave_check"])),
        str(asked["wave_wait"]) or WAVE_WAIT,
        approval=bool(asked["wave_approval"]),
    )


def open_rows(run_id: str) -> tuple[RunRecord, Path]:
    """The run's record, and the rows that it left open as a device CSV. Raises `InputError` where there are none."""
    settings = reopened(run_id, REPORTED)
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        left = left_by(ledger, run_id, settings.account_key)
    folder = RunFolder(settings.runs_folder / left.record.run_id)
    left.write(folder)
    return left.record, folder.file(FILE)
