"""Deployments that an earlier version called otherwise: what an operator made of them goes to the new name.

Prefect can't rename a deployment. So the new one is made, gets schedules, parameters and the paused state of the former
one, is named in its stead by every automation, and the former one is deleted last: what fails before is done again.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound

FORMER = {"fleet-audit": "reconcile-inventory"}
"""The former name of a deployment and its flow, by the name of today."""

_PAGE = 200


@dataclass(frozen=True, slots=True)
class Renamed:
    """A deployment on the server under its former name, and the name it gets."""

    name: str
    former: DeploymentResponse


async def find_renamed(client: PrefectClient) -> list[Renamed]:
    """The deployments that are still there under a former name."""
    found = []
    for name, former in FORMER.items():
        deployment = await read(client, former, former)
        if deployment is not None:
            found.append(Renamed(name, deployment))
    return found


async def read(client: PrefectClient, flow: str, name: str) -> DeploymentResponse | None:
    """The deployment of that name, of the flow of that name; None where there is none."""
    try:
        return await client.read_deployment_by_name(f"{flow}/{name}")
    except ObjectNotFound:
        return None


async def replace(client: PrefectClient, renamed: Renamed) -> None:
    """Have every automation name the new deployment and its flow, then delete the former one.

    Call it when the new one has the schedules and parameters of the former one.
    """
    today = await client.read_deployment_by_name(f"{renamed.name}/{renamed.name}")
    words = {
        str(renamed.former.id): str(today.id),
        str(renamed.former.flow_id): str(today.flow_id),
        renamed.former.name: renamed.name,
    }
    for ident, automation in await _automations(client):
        renewed = _renewed(automation, words)
        if renewed != automation:
            await client.update_automation(ident, AutomationCore.model_validate(renewed))
    await client.delete_deployment(renamed.former.id)


async def _automations(client: PrefectClient) -> list[tuple[UUID, Any]]:
    found: list[tuple[UUID, Any]] = []
    while page := await client.read_automations(limit=_PAGE, offset=len(found)):
        found += [(each.id, each.model_dump(mode="json", exclude={"id", "owner_resource"})) for each in page]
    return found


def _renewed(part: Any, words: dict[str, str]) -> Any:
    """A part of an automation in which the new ids stand for the former ones, and the new name for the former name."""
    if isinstance(part, dict):
        return {key: _renewed(each, words) for key, each in part.items()}
    if isinstance(part, list):
        return [_renewed(each, words) for each in part]
    if not isinstance(part, str):
        return part
    kind, dot, ident = part.rpartition(".")  # prefect.deployment.<id>
    return words.get(part) or (f"{kind}{dot}{words[ident]}" if dot and ident in words else part)
