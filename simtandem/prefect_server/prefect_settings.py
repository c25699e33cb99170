"""What Prefect reads from its environment: its client, and the embedded server."""

import logging
from datetime import timedelta
from functools import cache
from pathlib import Path

from simtandem.errors import InputError
from simtandem.host.private_home import stand_in
from simtandem.prefect_server.credential import kept_credential
from simtandem.prefect_server.server_connections import only_while_alive
from simtandem.prefect_server.server_identity import ServerNote, is_of_a_home, is_server_of, running_server
from simtandem.settings import Settings, export, forget, pin_paths, prefect_api_url

log = logging.getLogger(__name__)

MEANT_FOR_OURS = frozenset(
    {
        "PREFECT_API_AUTH_STRING",
        "PREFECT_API_REQUEST_TIMEOUT",
        "PREFECT_LOGGING_EXTRA_LOGGERS",
        "PREFECT_LOGGING_LEVEL",
        "PREFECT_LOGGING_TO_API_ENABLED",
        "PREFECT_SERVER_API_AUTH_STRING",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD",
        "PREFECT_UI_URL",
        "PREFECT_WORKER_HEARTBEAT_SECONDS",
        "PREFECT_WORKER_PREFETCH_SECONDS",
        "PREFECT_WORKER_QUERY_SECONDS",
    }
)
"""Prefect's variables that an operator may set for the embedded server, its client and its worker."""


def meant_for_another(name: str) -> bool:
    """Whether a variable is meant for another Prefect than the embedded one, which then doesn't see it.

    Such a variable can name files that are run as code, another database, another account. Prefect reads names in any
    case.
    """
    return name.upper().startswith("PREFECT_") and name.upper() not in MEANT_FOR_OURS


CLIENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_CLIENT_MAX_RETRIES": "8",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "simtandem",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # what is said before and after the flow is for this terminal
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the run's own output says it better; the UI has it all
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",  # an unreachable server is reported once, not with every event
}
SERVER = {
    **CLIENT,
    "PREFECT_LOGGING_INTERNAL_LEVEL": "ERROR",  # that goes into its log
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
    "PREFECT_SERVER_UI_API_URL": "/api",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "2",
    "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "100",
    "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
}

OWN = {"PREFECT_API_SSL_CERT_FILE": str(Path(__file__).with_name("nobody.pem"))}
"""What holds where Prefect's client speaks with the home's own server, which is plain HTTP: each of the clients that a
run has would read all authorities' certificates. It reads a single one, expired, whose key nobody has."""

SERVER_DEFAULTS = {"PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs"}
"""What holds for the embedded server unless the operator sets it. The ledger is the lasting record: flow runs that
ended longer ago than the retention period (90 days) are removed, or their database grows by gigabytes a year."""


def kept_for() -> timedelta:
    """How long Prefect keeps flow runs that have ended."""
    from prefect.settings import get_current_settings

    return get_current_settings().server.services.db_vacuum.retention_period


def prepare_client(settings: Settings, url: str, *, own: bool) -> None:
    """Have Prefect's client, once it is imported, use the server there: the home's own, or one that is named.

    It reads, when it is imported, what is in the process's folder and what its environment says.
    """
    home = settings.home / "prefect"
    pin_paths(settings)
    stand_in(settings.home)
    if own and (names := forget(meant_for_another)):
        log.info("The embedded Prefect does not heed %s: set PREFECT_API_URL to use another one.", ", ".join(names))
    export({**CLIENT, **({"PREFECT_HOME": str(home), **OWN} if own else {}), "PREFECT_API_URL": url})
    if own or is_server_of(home, url):
        only_while_alive(home, url)
        export({"PREFECT_API_AUTH_STRING": kept_credential(home)}, overwrite=True)


def keep_to_own_server(settings: Settings) -> None:
    """Have this process, which was started with the home's credential, connect to its server only while that lives."""
    home, url = settings.home / "prefect", prefect_api_url()
    note = ServerNote.read(home / "server.json")
    if url and note is not None and note.url == url.rstrip("/"):
        only_while_alive(home, note.url)


def is_at_home(home: Path) -> bool:
    """Whether the server that this process reports to is the one that was started for this home."""
    note = ServerNote.read(home / "prefect" / "server.json")
    return note is not None and note.url == (prefect_api_url() or "").rstrip("/")


def gives_out_files(settings: Settings) -> bool:
    """Whether the server that this process reports to gives out the files of this home's runs.

    The home's own does, and any other of simtandem's, where the hosts share their files.
    """
    if is_at_home(settings.home):
        return True
    return settings.store is not None and _is_of_a_home(prefect_api_url() or "")


@cache
def _is_of_a_home(url: str) -> bool:
    return is_of_a_home(url)


def address_of_server(settings: Settings) -> str:
    """The API of the server that is there already: the named one, or the home's own. Raises `InputError`."""
    home = settings.home / "prefect"
    if named := prefect_api_url():
        return named
    if (note := running_server(home)) is None:
        raise InputError(
            f"No Prefect server of {settings.home} runs, and PREFECT_API_URL names none. Start `simtandem up` first."
        )
    return note.url
