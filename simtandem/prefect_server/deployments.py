"""Everything a Prefect server needs to know of simtandem, put there by one command, again and again without harm.

Pool and queues come first, because deploying to a missing pool only warns. What an operator has changed about the
schedules in the UI (switched on or off, another time, added) outlives the next deploying.
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
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from simtandem.errors import OrchestrationError
from simtandem.prefect_server.automations import all_automations
from simtandem.prefect_server.email_block import MailServer
from simtandem.prefect_server.webhook_block import Webhook
from simtandem.settings import Settings, child_environment

log = logging.getLogger(__name__)

POOL = "simtandem"
QUEUES = {"changes": 1, "reading": None}
"""Work queues and how many of their runs may go at a time: changes share one carrier account."""

FLOWS = ("bulk-update", "scheduled-updates", "reconcile-inventory", "audit-report")


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
        schedules = {name: await _schedules(client, name) for name in FLOWS}
        _deploy_all(settings.home)
        for name, before in schedules.items():
            await _restore(client, name, before)
        blocks = [block for block in (await _make_webhook(settings), await _make_mail(settings)) if block is not None]
        names = []
        for automation in all_automations(blocks):
            existing = await client.read_automations_by_name(automation.name)
            if existing:
                await client.update_automation(existing[0].id, automation)
            else:
                await client.create_automation(automation)
            names.append(automation.name)
        await _forget_former_webhook(client)
    return Deployed(tuple(f"{name}/{name}" for name in FLOWS), tuple(names))


async def _make_pool(client: PrefectClient) -> None:
    pool = WorkPoolCreate(name=POOL, type="process", description="Runs of simtandem, one process each.")
    await client.create_work_pool(pool, overwrite=True)
    for name, limit in QUEUES.items():
        try:
            await client.create_work_queue(name=name, concurrency_limit=limit, work_pool_name=POOL)
        except ObjectAlreadyExists:
            queue = await client.read_work_queue_by_name(name, work_pool_name=POOL)
            await client.update_work_queue(queue.id, concurrency_limit=limit)


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
    done = subprocess.run(  # noqa: S603 - our own arguments
        command, env=child_environment({}), cwd=home, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise OrchestrationError(f"The deployments were not taken by the Prefect server:\n{last}")


def definition() -> Path:
    """The `prefect.yaml` of this installation."""
    for folder in (Path(__file__).parents[2], Path(str(resources.files("simtandem")))):
        if (folder / "prefect.yaml").is_file():
            return folder / "prefect.yaml"
    raise OrchestrationError("prefect.yaml was not installed with simtandem. Install it again from its checkout.")


async def _schedules(client: PrefectClient, name: str) -> list[DeploymentSchedule]:
    try:
        deployment = await client.read_deployment_by_name(f"{name}/{name}")
    except ObjectNotFound:
        return []
    return deployment.schedules


async def _restore(client: PrefectClient, name: str, before: list[DeploymentSchedule]) -> None:
    """Switch and time schedules as they were, and add those again that only the operator knows of."""
    if not before:
        return
    deployment = await client.read_deployment_by_name(f"{name}/{name}")
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
