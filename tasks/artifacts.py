"""What a run shows in Prefect's UI: its plan, how far it is, what it refused and why, and its result.

All of it is best effort: a server that is slow or away for a while must not stop or slow the patching. What belongs to
one run has no key: a key leads to a page of all runs, where somebody might look at another run's plan.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from schemas.parameters import Mode
from simtandem.job.preparing import problems
from simtandem.job.telling import only_planned, open_rows
from simtandem.reports.headline import headline, parts, retry_command
from simtandem.reports.wording import duration
from simtandem.safety import for_good, unlimited
from tasks.session import Session

Made = TypeVar("Made")

log = logging.getLogger("simtandem.artifacts")

_PATIENCE_S = 4.0
_SILENCE_S = 20.0
_FIRST_ROWS = 200


async def show_plan(session: Session) -> None:
    """The plan's counts, and the first rows that are invalid or refused."""
    intake, plan = session.run.folder.intake(), session.run.folder.plan_counts()
    heading = f"## Plan `{plan['digest']}` for {intake['file']}\n\nRun `{session.run.run_id}`\n\n| | |\n|---|---:|\n"
    lines = [f"| {name} | {value} |" for name, value in _plan_counts(intake, plan).items()]
    notes = [unlimited(plan["newly_billed"], plan["newly_billed_limit"]), session.run.settings.unencrypted]
    text = heading + "\n".join(lines) + "".join(f"\n\n{note}\n" for note in notes if note)
    await _try(acreate_markdown_artifact(text, description=f"The plan: what would be sent ({plan['digest']})"))
    await _try(_name_run(session, plan["devices"], intake["file"]))
    found = problems(session.run.folder)
    if found:
        more = f", the first {_FIRST_ROWS}" if len(found) > _FIRST_ROWS else ""
        table = [{"row": row, "reason": reason} for row, reason in found[:_FIRST_ROWS]]
        told = f"Invalid or refused: {len(found)} rows{more}; all of them in invalid.csv and plan.csv"
        await _try(acreate_table_artifact(table, description=told))


def _plan_counts(intake: dict[str, Any], plan: dict[str, Any]) -> dict[str, object]:
    return {
        "rows in the file": intake["rows"],
        "invalid": intake["invalid"],
        "devices": plan["devices"],
        "unchanged": plan["unchanged"],
        "refused": plan["refused"],
        "SIMs to change": plan["sim_changes"],
        "endpoints to change": plan["endpoint_changes"],
        **({"owners to change": plan["owner_changes"]} if plan["owner_changes"] else {}),
        "newly billed": plan["newly_billed"],
        "of them for good": plan["billed_for_good"],
        "calls": plan["calls"],
        "takes at least": duration(plan["eta_s"]),
    }


async def show_approval(session: Session, excess: str, moved: list[dict[str, object]]) -> None:
    """Why the run waits, and what differs from the plan that was approved before, if one was."""
    plan = session.run.folder.plan_counts()
    first = for_good(plan["billed_for_good"])
    text = f"## Waits for approval of plan `{plan['digest']}`\n\n{f'**{first}**' if first else ''}\n\n"
    text += f"{excess or 'Approval was asked for.'}\n\n"
    text += "Resume the run from its menu: the form asks for the decision, who makes it, and why.\n"
    if moved:
        text += f"\n**{len(moved)} rows have moved since the plan that was decided on**: it takes a new decision.\n"
    await _try(acreate_markdown_artifact(text, description="Approval: somebody has to decide"))
    if moved:
        await _try(acreate_table_artifact(moved[:_FIRST_ROWS], description="Moved: rows planned differently now"))


async def show_result(session: Session, document: dict[str, Any]) -> None:
    """Verdicts, outcomes, calls, where the files are, and the first rows that are not as asked."""
    changed = document["changed"]
    counts = [*((name, count) for count, name in parts(document))]
    counts += [(f"steps {name}", count) for name, count in document["outcomes"].items()]
    lines = [f"| {name.replace('_', ' ')} | {count} |" for name, count in counts if count]
    lines.append(f"| newly billed (planned) | {changed['newly_billed']} ({document['plan']['newly_billed']}) |")
    calls, go_on = document["calls"], retry_command(document)
    lines.append(f"| calls (retried, throttled) | {calls['total']} ({calls['retried']}, {calls['throttled']}) |")
    lines.append(f"| took | {duration(document['seconds'])} |")
    planned = only_planned(document)
    lines.append(f"| carrier | {document['carrier']} at {document['carrier_host']}, account {document['account']} |")
    heading = "Only planned" if planned else headline(document)
    text = f"## {heading}\n\n| | |\n|---|---:|\n" + "\n".join(lines)
    text += f"\n\nTo go on: `{go_on}`" if go_on and not planned else ""
    text += _where(session, document["files"])
    await _try(acreate_markdown_artifact(text, description="The result: what became of it"))
    left = [] if planned else open_rows(session.run)
    if left:
        more = f", the first {_FIRST_ROWS}" if len(left) > _FIRST_ROWS else ""
        told = f"Not in sync: {len(left)} rows{more}; all of them in results.csv, and retry.csv is ready to be fed back"
        await _try(acreate_table_artifact(left[:_FIRST_ROWS], description=told))


def _where(session: Session, files: dict[str, str]) -> str:
    names = ", ".join(f"`{Path(path).name}`" for path in files.values())
    run = session.run
    return f"\n\nRun `{run.run_id}`. On the machine that ran it, in `{run.folder.path}`: {names}\n"


async def show_audit(document: dict[str, Any]) -> None:
    """What an audit of the fleet found, and where its files are."""
    lines = [f"| {name.replace('_', ' ')} | {count} |" for name, count in document["findings"].items()]
    files = "\n".join(f"- {name}: `{path}`" for name, path in document["files"].items())
    heading = f"## {sum(document['findings'].values())} findings in {document['sims']} SIMs\n\n| | |\n|---|---:|\n"
    text = heading + "\n".join(lines) + f"\n\nRun `{document['run_id']}`, on the machine that ran it:\n\n{files}\n"
    await _try(acreate_markdown_artifact(text, key="audit", description="What the audit found"))


async def _name_run(session: Session, devices: int, file: str) -> None:
    """What the run does, now that it is known: `activated · 1,250 devices · depot-7.csv`."""
    request = session.run.request
    wishes = session.run.folder.table("devices.parquet")["desired"].unique().sort()
    wish = ", ".join("owners alone" if each is None else str(each).replace("_", " ") for each in wishes)
    name = f"{'plan ' if request.mode is Mode.PLAN else ''}{wish} · {devices:,} devices · {file}"
    async with get_client() as client:
        await client.update_flow_run(UUID(str(flow_run.id)), name=name)


async def show_arrivals(files: list[dict[str, Any]]) -> None:
    """The files that were taken from an inbox, and what is to be said of each."""
    told = f"{len(files)} files taken" if len(files) > 1 else "1 file taken"
    await _try(acreate_table_artifact(files[:_FIRST_ROWS], key="arrivals", description=told))


async def show_audit_report(written: dict[str, Any]) -> None:
    """The period, how many runs it had, and where the reports are."""
    files = "\n".join(f"- {name}: `{path}`" for name, path in written["files"].items())
    text = f"## {written['runs']} runs from {written['since']} to {written['until']}\n\n{files}\n"
    await _try(acreate_markdown_artifact(text, key="audit-report", description="Reports on the runs of a period"))


class Progress:
    """A progress artifact, moved on once for each batch."""

    def __init__(self, batches: int) -> None:
        self._batches = batches
        self._done = 0
        self._artifact: UUID | None = None

    async def begin(self) -> None:
        """Show it, at nothing done."""
        told = f"Progress: {self._batches} batches"
        self._artifact = await _try(acreate_progress_artifact(0.0, description=told))

    async def batch_done(self) -> None:
        """One batch more."""
        self._done += 1
        if self._artifact is not None:
            told = f"Progress: {self._done} of {self._batches} batches"
            await _try(aupdate_progress_artifact(self._artifact, 100.0 * self._done / self._batches, told))


class _Patience:
    """Bears with a server that is slow; after one that did not answer in time, nothing is shown for a while."""

    def __init__(self) -> None:
        self.until = 0.0

    async def attempt(self, making: Coroutine[Any, Any, Made]) -> Made | None:
        """What was made; nothing where it could not be shown."""
        if time.monotonic() < self.until:
            making.close()
            return None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await making
        except TimeoutError:
            self.until = time.monotonic() + _SILENCE_S
            log.info("Prefect does not answer; nothing is shown there for %s s", _SILENCE_S)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on
            log.info("An artifact could not be shown: %s", error)
        return None


_try = _Patience().attempt
