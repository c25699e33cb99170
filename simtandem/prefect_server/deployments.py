"""Everything a Prefect server needs to know of simtandem, put there by one command, again and again without harm.

Pool and queues come first, because deploying to a missing pool only warns. What an operator has changed about the
schedules in the UI (switched on or off, another time, added) or about default parameters outlives the next deploying,
also where this version calls the deployment otherwise.
"""

import contextlib
import logging
import subprocess
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from simtandem.errors import InputError, OrchestrationError
from simtandem.prefect_server.automations import all_automations, former_name
from simtandem.prefect_server.email_block import MailServer
from simtandem.prefect_server.form_choices import with_accounts, with_goals
from simtandem.prefect_server.prefect_settings import gives_out_files
from simtandem.prefect_server.renamed_deployments import find_renamed, read, replace
from simtandem.prefect_server.webhook_block import Webhook
from simtandem.settings import Settings, account_names, child_environment, load

log = logging.getLogger(__name__)

POOL = "simtandem"
QUEUES = {"urgent": 4, "changes": 1, "reading": None}
"""Work queues, the first served first, and how many of their runs may go at a time: changes share one carrier account.

Urgent runs go beside the one of `changes`: claims in the ledger keep runs off each other's devices.
"""

FLOWS = {
    "bulk-update": "bulk-update",
    "bulk-update-urgent": "bulk-update",
    "scheduled-updates": "scheduled-updates",
    "scheduled-updates-urgent": "scheduled-updates",
    "fleet-audit": "fleet-audit",
    "audit-report": "audit-report",
}
"""The flow of each deployment."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """What is there now."""

    deployments: tuple[str, ...]
    automations: tuple[str, ...]


async def deploy(settings: Settings) -> Deployed:
    """Make pool, queues, deployments and automations on the server of PREFECT_API_URL.

    Raises `OrchestrationError` where the server does not take them.
    """
    async with get_client() as client:
        await _make_pool(client)
        renamed = await find_renamed(client)
        existing = {name: await read(client, flow, name) for name, flow in FLOWS.items()}
        existing |= {each.name: each.former for each in renamed}
        _deploy_all(settings.home)
        await _offer_choices(client)
        for name, before in existing.items():
            if before is not None:
                await _restore(client, name, before)
        blocks = [block for block in (await _make_webhook(settings), await _make_mail(settings)) if block is not None]
        names = []
        for automation in all_automations(blocks, with_files=gives_out_files(settings)):
            same = await client.read_automations_by_name(automation.name)
            same = same or await client.read_automations_by_name(former_name(automation.name))
            if same:
                await client.update_automation(same[0].id, automation)
            else:
                await client.create_automation(automation)
            names.append(automation.name)
        await _forget_former_webhook(client)
        for each in renamed:
            await replace(client, each)
    return Deployed(tuple(f"{flow}/{name}" for name, flow in FLOWS.items()), tuple(names))


async def _make_pool(client: PrefectClient) -> None:
    pool = WorkPoolCreate(name=POOL, type="process", description="Runs of simtandem, one process each.")
    await client.create_work_pool(pool, overwrite=True)
    for priority, (name, limit) in enumerate(QUEUES.items(), start=1):
        try:
            await client.create_work_queue(name=name, concurrency_limit=limit, priority=priority, work_pool_name=POOL)
        except ObjectAlreadyExists:
            queue = await client.read_work_queue_by_name(name, work_pool_name=POOL)
            await client.update_work_queue(queue.id, concurrency_limit=limit, priority=priority)


def _deploy_all(home: Path) -> None:
    command = [
        sys.executable,
        "-P",
        "-m",
        "prefect",
        "--no-prompt",
        "deploy",
        "--all",
        "--prefect-file",
        str(definition()),
    ]
    done = subprocess.run(  # noqa: S603 - fixed arguments
        command, env=child_environment({}), cwd=home, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise OrchestrationError(f"The deployments were not taken by the Prefect server:\n{last}")


async def _offer_choices(client: PrefectClient) -> None:
    """Let the forms offer the accounts of the settings file, and the statuses that their carriers have."""
    names = account_names()
    carriers = {name: _carrier(name) for name in names}
    for name, flow in FLOWS.items():
        deployment = await client.read_deployment_by_name(f"{flow}/{name}")
        schema = with_goals(with_accounts(deployment.parameter_openapi_schema or {}, names), carriers)
        if schema != deployment.parameter_openapi_schema:
            await client.update_deployment(deployment.id, DeploymentUpdate(parameter_openapi_schema=schema))


def _carrier(account: str) -> str:
    """An account's carrier; empty where its settings can't be used, which its own runs say."""
    try:
        return load(account).carrier
    except InputError:
        return ""


def definition() -> Path:
    """The `prefect.yaml` of this installation."""
    for folder in (Path(str(resources.files("simtandem"))), Path(__file__).parents[2]):
        if (folder / "prefect.yaml").is_file():
            return folder / "prefect.yaml"
    raise OrchestrationError("prefect.yaml was not installed with simtandem. Install it again from its checkout.")


async def _restore(client: PrefectClient, name: str, before: DeploymentResponse) -> None:
    """Give a deployment the schedules, default parameters and paused state that it had before, or its former name."""
    deployment = await client.read_deployment_by_name(f"{FLOWS[name]}/{name}")
    parameters = {**deployment.parameters, **before.parameters}
    if (parameters, before.paused) != (deployment.parameters, deployment.paused):
        await client.update_deployment(deployment.id, DeploymentUpdate(parameters=parameters, paused=before.paused))
    await _restore_schedules(client, deployment, before.schedules)


async def _restore_schedules(
    client: PrefectClient, deployment: DeploymentResponse, before: list[DeploymentSchedule]
) -> None:
    """Switch and time schedules as they were, and add those again that only the operator knows of."""
    now = {schedule.slug or str(schedule.schedule): schedule for schedule in deployment.schedules}
    for old in before:
        new = now.get(old.slug or str(old.schedule))
        if new is None:
            again = DeploymentScheduleCreate(
                schedule=old.schedule, active=old.active, parameters=old.parameters, slug=old.slug
            )
            await client.create_deployment_schedules(deployment.id, [again])
        elif (new.active, new.schedule) != (old.active, old.schedule):
            await client.update_deployment_schedule(deployment.id, new.id, old.active, old.schedule)


async def _make_webhook(settings: Settings) -> UUID | None:
    """The block that notifications go through; none where no address is set."""
    if settings.notify_webhook is None:
        return None
    return await Webhook(address=settings.notify_webhook).asave("simtandem-webhook", overwrite=True)


async def _forget_former_webhook(client: PrefectClient) -> None:
    """The block that held the address in former versions, once no automation names it any more."""
    with contextlib.suppress(ObjectNotFound):
        former = await client.read_block_document_by_name("simtandem-notify", "custom-webhook")
        await client.delete_block_document(former.id)


async def _make_mail(settings: Settings) -> UUID | None:
    if settings.notify_email is None:
        return None
    return await MailServer(address=settings.notify_email).asave("simtandem-mail", overwrite=True)
