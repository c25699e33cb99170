"""Prefect automations: mark runs that died as crashed, notify people of how runs ended."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

_DEAD_AFTER_S = 300  # ten heartbeats: a run continues while the server is away, and is not dead when it comes back

_RUNS: dict[str, str | list[str]] = {"prefect.resource.id": "prefect.flow-run.*"}
_OURS: dict[str, str | list[str]] = {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.simtandem"}

_NOTIFY = "simtandem: notify when a run "
_NOTIFIED = {
    "finished": ("prefect.flow-run.Completed", "prefect.flow-run.Findings"),
    "failed": (
        "prefect.flow-run.Failed",
        "prefect.flow-run.Crashed",
        "prefect.flow-run.Not in sync",
        "prefect.flow-run.To be tried again",
        "prefect.flow-run.Token refused",
        "prefect.flow-run.Input unusable",
        "prefect.flow-run.Carrier out of reach",
        "prefect.flow-run.Carrier refused",
        "prefect.flow-run.Record not kept",
    ),
    "was refused": ("prefect.flow-run.Plan refused", "prefect.flow-run.Plan differs"),
    "was not approved": ("prefect.flow-run.Not approved",),
    "has rows that are invalid, refused or not carried out": (
        "prefect.flow-run.Rows refused",
        "prefect.flow-run.Rows invalid or refused",
        "prefect.flow-run.Rows not carried out",
    ),
    "was cancelled": ("prefect.flow-run.Cancelled",),
    "waits for approval": ("prefect.flow-run.Suspended", "prefect.flow-run.Paused"),
}
# The state is the one that the message is about; the run may be in another one when it is sent.
_BODY = """{{ flow_run.name }}: {{ event.payload.validated_state.name }}
{{ event.payload.validated_state.message }}
{{ flow_run | ui_url }}"""
_SERVER = "(flow_run | ui_url).split('/runs/flow-run/')[0].removesuffix('/v2')"
_FILES = f"\nFiles: {{{{ {_SERVER} }}}}/simtandem/flow-runs/{{{{ flow_run.id }}}}/"


def all_automations(blocks: Sequence[UUID], *, with_files: bool) -> list[AutomationCore]:
    """Those that should be there. `blocks` are document ids of notification blocks; without any nothing is notified.

    `with_files`: the server gives out the files of runs.
    """
    body = _BODY + (_FILES if with_files else "")
    notifications = [_notify(what, events, blocks, body) for what, events in _NOTIFIED.items()] if blocks else []
    return [_end_dead_runs(), *notifications]


def former_name(name: str) -> str:
    """What an automation was called by an earlier version; the same name where it always had that."""
    return name.replace(_NOTIFY, "simtandem: tell when a run ")


def _end_dead_runs() -> AutomationCore:
    """A run whose process and worker were both killed sends no more heartbeats: call it crashed."""
    return AutomationCore(
        name="simtandem: end runs without heartbeat",
        description="A run that has sent no heartbeat for a while is marked as crashed; run it again from the UI.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            match=ResourceSpecification(_RUNS),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=_DEAD_AFTER_S),
        ),
        actions=[
            ChangeFlowRunState(
                name=None,
                state=StateType.CRASHED,
                force=False,
                message="No heartbeat: the process is gone. Run it again; what was done is not done twice.",
            )
        ],
    )


def _notify(what: str, events: tuple[str, ...], blocks: Sequence[UUID], body: str) -> AutomationCore:
    return AutomationCore(
        name=f"{_NOTIFY}{what}",
        description="Sends the run's name, state, counts and link.",
        trigger=EventTrigger(
            expect=set(events),
            match=ResourceSpecification(_RUNS),
            match_related=ResourceSpecification(_OURS),
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            SendNotification(block_document_id=block, subject=f"simtandem: a run {what}", body=body) for block in blocks
        ],
    )
