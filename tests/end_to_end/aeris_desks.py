"""Desks of operators at both of Aeris's platforms: the installed command, settings of the carrier, an emulator."""

import json
from pathlib import Path
from typing import Any

from simtandem.emulator.aeradmin.server import ACCOUNT, API_KEY, EMAIL, AerAdminEmulator, State, StateChange
from simtandem.emulator.iot_accelerator.server import COMPANY, PASSWORD, USERNAME, IotAcceleratorEmulator
from tests.end_to_end.operator_desk import Desk, Done

SUBMIT = "POST /iot/api/sica/subscriptions/requests/state-changes"
CHANGE = "POST /AerAdmin_WS_5_0/rest/made/up"
_BODY = {"accountID": "{account}", "email": "{email}", "{id_kind}": "{id}", "verb": "{word}"}
MADE_UP = StateChange(
    "POST",
    "rest/made/up",
    _BODY,
    {"do-bill": State.ACTIVE_BILLED, "do-suspend": State.SUSPENDED, "do-provision": State.PROVISIONED},
)
DESCRIBED = {
    "SIMTANDEM_AERADMIN_CHANGE_METHOD": "POST",
    "SIMTANDEM_AERADMIN_CHANGE_PATH": "rest/made/up",
    "SIMTANDEM_AERADMIN_CHANGE_BODY": json.dumps(_BODY),
    "SIMTANDEM_AERADMIN_CHANGE_WORDS": "Active-billed=do-bill, Suspended=do-suspend, Provisioned=do-provision",
}


class AerisDesk(Desk):
    """A desk whose settings name a platform of Aeris."""

    def __init__(self, folder: Path, emulator: Any, prefect_home: Path | None, variables: dict[str, str]) -> None:
        emulator.token = ""
        super().__init__(folder, emulator, prefect_home)
        del self.variables["SIMTANDEM_EMNIFY_URL"], self.variables["SIMTANDEM_EMNIFY_TOKEN"]
        self.variables |= variables

    def list_of(self, rows: dict[str, str]) -> Path:
        """A device CSV of ICCIDs with a status each."""
        path = self.folder / "devices.csv"
        path.write_text("iccid,status\n" + "".join(f"{iccid},{status}\n" for iccid, status in rows.items()))
        return path

    def apply(self, *arguments: object) -> Done:
        """Apply, whatever share of the fleet it is."""
        return self.run("apply", *arguments, "--yes", "--accept-large", "--json")

    def sent(self, route: str) -> int:
        """How many such calls the carrier got."""
        return int(self.emulator.stats()["by_route"].get(route, 0))


def iot_desk(folder: Path, emulator: IotAcceleratorEmulator, prefect_home: Path | None) -> AerisDesk:
    variables = {
        "SIMTANDEM_CARRIER": "iot-accelerator",
        "SIMTANDEM_IOT_ACCELERATOR_URL": emulator.url,
        "SIMTANDEM_IOT_ACCELERATOR_USERNAME": USERNAME,
        "SIMTANDEM_IOT_ACCELERATOR_PASSWORD": PASSWORD,
        "SIMTANDEM_IOT_ACCELERATOR_COMPANY": COMPANY,
        "SIMTANDEM_IOT_ACCELERATOR_POLL_S": "0.2",
    }
    return AerisDesk(folder, emulator, prefect_home, variables)


def aeradmin_desk(folder: Path, emulator: AerAdminEmulator, prefect_home: Path | None) -> AerisDesk:
    variables = {
        "SIMTANDEM_CARRIER": "aeradmin",
        "SIMTANDEM_AERADMIN_URL": emulator.url,
        "SIMTANDEM_AERADMIN_ACCOUNT_ID": ACCOUNT,
        "SIMTANDEM_AERADMIN_EMAIL": EMAIL,
        "SIMTANDEM_AERADMIN_API_KEY": API_KEY,
        "SIMTANDEM_AERADMIN_CALLS_PER_SECOND": "50",
        "SIMTANDEM_AERADMIN_SHOWS_WITHIN_S": "10",
    }
    return AerisDesk(folder, emulator, prefect_home, variables)
