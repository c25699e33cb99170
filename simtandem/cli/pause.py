"""`simtandem pause`, and what `simtandem resume` shares with it."""

import socket

from simtandem.cli.options import RunId
from simtandem.errors import InputError
from simtandem.host.user_name import user_name
from simtandem.ledger import pausing
from simtandem.ledger.records import CHANGING, RunState, has_ended
from simtandem.ledger.store import Ledger
from simtandem.runs.retry import next_step
from simtandem.settings import chosen_account, load_home
from simtandem.text.terminal import results


def pause(run: RunId) -> None:
    """Let RUN pause: calls on their way are answered, nothing else is sent, and other runs may send."""
    run_id = ask(run, RunState.PAUSING)
    results().print(
        f"Run {run_id} pauses once the calls on their way are answered. To continue: simtandem resume {run_id}",
        markup=False,
        soft_wrap=True,
        highlight=False,
    )


def ask(run: str, wanted: RunState) -> str:
    """Ask a run, in its record, to pause or to continue; returns its id.

    Raises `InputError` where that can't be asked.
    """
    home = load_home()
    with Ledger.open(home.ledger(), heads_file=home.heads_file) as ledger:
        found = ledger.run(run, kinds=CHANGING, account=chosen_account())
        run_id = found.record.run_id
        if has_ended(found):
            go_on = next_step(ledger, found) if found.state is RunState.INTERRUPTED else ""
            raise InputError(f"Run {run_id} has ended. Nothing was changed.{go_on}")
        pausing.ask(ledger, run_id, wanted, f"{user_name()} on {socket.gethostname()}")
    return run_id
