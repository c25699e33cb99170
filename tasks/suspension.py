"""Ending a flow run's process until someone answers a form, and finding what was asked and answered before.

Prefect's own `suspend_flow_run` can't say why a run waits; that is what its state and the notification should say.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, NoReturn, TypeVar
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.exceptions import Pause
from prefect.input import RunInput
from prefect.input.run_input import keyset_from_base_key, keyset_from_paused_state
from prefect.states import Suspended
from prefect.utilities.engine import propose_state
from pydantic import ValidationError

from simtandem.prefect_server.server_time import server_time
from simtandem.text import escaping

Form = TypeVar("Form", bound=RunInput)

_KEY = "approve"
_KEYS = re.compile(  # keys of earlier versions named no run
    rf"{_KEY}-(?P<time>[0-9]{{1,9}})-(?P<subject>[0-9a-f]+)(?:-(?P<run_id>[0-9]{{8}}t[0-9]{{6}}-[0-9a-f]+))?-[0-9a-f]+"
)


@dataclass(frozen=True, slots=True)
class Asked(Generic[Form]):
    """Something that was asked: how often by then, about what, by which run, and the answer, if there is one.

    It is what Prefect says, which anyone who may use its API can write: see what the run's own record says of `key`.
    """

    times: int
    subject: str
    answer: Form | None
    run_id: str = ""
    key: str = ""


async def last_asked(form: type[Form], flow_run_id: UUID) -> Asked[Form] | None:
    """What this flow run asked last, as Prefect remembers it; None where it has asked nothing yet."""
    async with get_client() as client:
        policy = (await client.read_flow_run(flow_run_id)).empirical_policy
    keys = [found for key in policy.pause_keys or () if (found := _KEYS.fullmatch(key))]
    if not keys:
        return None
    last = max(keys, key=lambda key: int(key["time"]))
    try:
        answer = await form.aload(keyset_from_base_key(f"suspended-{last[0]}"), flow_run_id)
    except ValidationError:  # nobody has answered, so there is nothing that would fit the form
        answer = None
    return Asked(int(last["time"]), last["subject"], answer, (last["run_id"] or "").replace("t", "T"), last[0])


async def ask(form: type[RunInput], flow_run_id: UUID, key: str, why: str, within_s: int) -> NoReturn:
    """Suspend this flow run: its process ends, and an answer starts it again, from its beginning."""
    async with get_client() as client:
        until = await server_time(client) + timedelta(seconds=within_s)  # the server judges by its own clock
        state: State[Any] = Suspended(pause_expiration_time=until, pause_key=key, message=escaping.state(why))
        keyset = keyset_from_paused_state(state)
        state.state_details.run_input_keyset = dict(keyset)  # type: ignore[arg-type]  # its keys are plain words
        await form.asave(keyset, flow_run_id)
        accepted = await propose_state(client, state, flow_run_id=flow_run_id)
    if not accepted.is_paused():
        raise RuntimeError(f"The run can't wait for an approval: Prefect says {accepted}.")
    _still_alive(flow_run_id)
    raise Pause(state=accepted)


def _still_alive(flow_run_id: UUID) -> None:
    """Say something after the last heartbeat: else one that crosses the suspending leaves a run that looks dead."""
    emit_event("prefect.flow-run.waits", resource={"prefect.resource.id": f"prefect.flow-run.{flow_run_id}"})


def new_key(time: int, subject: str, run_id: str) -> str:
    """What a run asks under; new each time, so that nothing saved before is used, and nobody can guess it."""
    # lower case, because Prefect takes no other: of a run's id that loses nothing
    return f"{_KEY}-{time}-{subject}-{run_id.lower()}-{secrets.token_hex(16)}"
