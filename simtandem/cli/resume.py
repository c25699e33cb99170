"""`simtandem resume`."""

from simtandem.cli.options import RunId
from simtandem.cli.pause import ask
from simtandem.ledger.records import RunState
from simtandem.text.terminal import results


def resume(run: RunId) -> None:
    """Let RUN continue after a pause, or begin its next wave. It reads the devices that are left again first."""
    run_id = ask(run, RunState.RESUMING)
    results().print(f"Run {run_id} continues.", markup=False, soft_wrap=True, highlight=False)
