"""Asking a run, from another process, to pause and to continue: facts of the run's record, with who asked.

The run looks for them every second, from wherever they come. What it is asked is the newest of these facts.
"""

from collections.abc import Sequence
from datetime import datetime

from simtandem.errors import InputError
from simtandem.ledger import inserts, queries
from simtandem.ledger.commit import commit
from simtandem.ledger.integrity.chain import Chain
from simtandem.ledger.integrity.facts import Kind
from simtandem.ledger.records import PAUSES, RunState, StateRecord
from simtandem.ledger.store import Ledger

_SENDING = (
    RunState.APPROVED,  # of a wave, too
    RunState.TAKEN_OVER,
    RunState.APPLYING,
    RunState.WAVE_DONE,
    RunState.PAUSING,
    RunState.PAUSED,
    RunState.RESUMING,
)


def ask(ledger: Ledger, run_id: str, wanted: RunState, by: str) -> None:
    """Record that a run is to pause (`PAUSING`) or to continue (`RESUMING`).

    Raises `InputError` where it is not sending, or does that already: a run that ended is never asked.
    """

    def add(chain: Chain) -> None:  # the run's own facts wait meanwhile, its end among them
        states = queries.read_states(chain.connection, run_id)
        _require(run_id, wanted, states)
        row = inserts.state_row(run_id, ledger.clock(), wanted, {"by": by})
        inserts.add_facts(chain, Kind.STATE, [row])

    ledger.keep(commit(ledger.database, run_id, add))


def wanted_pause(states: Sequence[StateRecord]) -> StateRecord | None:
    """What asks a run with these states to pause; None where nothing does, or someone let it continue since."""
    last = next((each for each in reversed(states) if each.state in (*PAUSES, RunState.RESUMING)), None)
    return last if last is not None and last.state in PAUSES else None


def resumed_by(states: Sequence[StateRecord]) -> tuple[str, datetime | None]:
    """Who let a run with these states continue last, and when."""
    last = next((each for each in reversed(states) if each.state is RunState.RESUMING), None)
    return (str(last.detail.get("by", "")), last.at) if last else ("", None)


def _require(run_id: str, wanted: RunState, states: Sequence[StateRecord]) -> None:
    last = states[-1].state if states else None
    if last not in _SENDING:
        raise InputError(
            f"Run {run_id} is not sending ({last.value.replace('_', ' ') if last else 'begun'}). Nothing was changed."
        )
    pauses = wanted_pause(states) is not None
    if pauses and wanted is RunState.PAUSING:
        raise InputError(f"Run {run_id} pauses already. To continue: simtandem resume {run_id}")
    if not pauses and wanted is RunState.RESUMING:
        raise InputError(f"Run {run_id} is not paused. Nothing was changed.")
