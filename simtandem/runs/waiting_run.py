"""A run that waited for approval continues as another one, on whichever host: what it was asked, and what it read.

Which run a flow run is now is in the ledger. A process that lets it wait, or continues it, counts there first: of
several that try it, one does.
"""

import hashlib
import json
from pathlib import Path

from schemas.parameters import BulkUpdate
from simtandem.domain.verdicts import moved_between
from simtandem.intake import Intake
from simtandem.ledger import flow_runs
from simtandem.ledger.flow_runs import Continued
from simtandem.ledger.records import RunState
from simtandem.runs.run import Run
from simtandem.runs.run_folder import RunFolder
from simtandem.runs.shared_files import brought

_WAVES = ("waves", "wave_limit", "wave_check", "wave_wait", "wave_approval")
_NEWER = ("account", "sheet", *_WAVES, "urgent", "where")
"""What requests of earlier versions don't have, some of which may be waiting."""


def request_hash(request: BulkUpdate) -> str:
    """The hash of a request as it came: anyone who changes it while the run waits has to be asked about it."""
    return hashlib.sha256(request.model_dump_json(exclude=_not_asked(request)).encode()).hexdigest()


def _not_asked(request: BulkUpdate) -> set[str]:
    """What is no part of the question; what earlier versions did not ask neither, where it asks for nothing."""
    fields = BulkUpdate.model_fields
    return {"accept_large", *(name for name in _NEWER if getattr(request, name) == fields[name].default)}


def find(run: Run, flow_run: str) -> None:
    """Let the run know which run this flow run was until now."""
    if run.continued is None:
        found = flow_runs.found(run.ledger.database, flow_run)
        run.continued = found if found.epoch else Continued(flow_run, _noted(run, flow_run))


def moved(run: Run) -> list[dict[str, object]]:
    """Rows whose plan differs from that of the run that waited last."""
    before = run.ledger.plan(_waited(run)) if _waited(run) else None
    if before is None or before.is_empty():
        return []
    return moved_between(before, run.folder.table("plan.parquet"), run.lifecycle).to_dicts()


def take(run: Run) -> bool:
    """Let the flow run be this run; false where another process was faster."""
    before, flow_run = _waited(run), run.continued.flow_run if run.continued else ""
    if run.continued is None or (taken := flow_runs.take(run.ledger.database, run.continued, run.run_id)) is None:
        return False
    run.continued = taken
    if before and run.ledger.run(before).state is RunState.WAITING:
        run.ledger.record_state(before, RunState.CONTINUED, {"as": run.run_id})
    _note(run, flow_run).unlink(missing_ok=True)
    return True


def list_that_was_read(run: Run) -> Intake | None:
    """The list as the run read it that waited for the answer to this very request; None where none did.

    Another host may not have the list, and the person who approved has seen that one. Raises `StoreError`.
    """
    request, waited = run.request, _waited(run)
    if not (waited and request.file) or request.undo_of or request.retry_of or not _waits_for(run, waited):
        return None
    folder = brought(run.settings, run.ledger, waited)
    return _intake(folder, run.settings.warnings) if folder.has("intake.json") else None


def _intake(folder: RunFolder, warnings: list[str]) -> Intake:
    kept = folder.read_intake()
    listed = "listed_" if folder.has("listed_devices.parquet") else ""  # as the list had them, before a selection
    return Intake(
        devices=folder.table(f"{listed}devices.parquet"),
        rejected=folder.table("rejected.parquet"),
        repeats=folder.table(f"{listed}repeats.parquet"),
        rows=kept["rows"],
        file=kept["file"],
        sha256=kept["sha256"],
        notes=tuple(note for note in kept["notes"] if note not in warnings),
        own=folder.own(),
        contested=folder.contested(),
    )


def _waits_for(run: Run, waited: str) -> bool:
    asked = {"flow_run": run.continued.flow_run if run.continued else "", "request": request_hash(run.request)}
    states = run.ledger.states(waited)
    return bool(states) and states[-1].state is RunState.WAITING and asked.items() <= states[-1].detail.items()


def _waited(run: Run) -> str:
    return run.continued.run_id if run.continued else ""


def _note(run: Run, flow_run: str) -> Path:
    """Where an earlier version noted which run waits."""
    return run.settings.home / "waiting" / f"{flow_run}.json"


def _noted(run: Run, flow_run: str) -> str:
    try:
        return str(json.loads(_note(run, flow_run).read_text(encoding="utf-8"))["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
