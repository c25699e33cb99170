"""What AerAdmin answers, as Aeris's own program was recorded to be answered in 2020."""

import uuid
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from simtandem.emulator.aeradmin.behaviour import AerAdminBehaviour
from simtandem.emulator.aeradmin.devices import Device, Profile
from simtandem.emulator.aeradmin.states import State

NOT_ACTIVATED = 1047


def moment(at: float | None) -> str | None:
    """A time as AerAdmin writes it."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def outcome(number: int, code: int, message: str, at: float | None) -> dict[str, Any]:
    """The four fields that every answer has. A refusal has no time."""
    return {
        "transactionID": str(uuid.UUID(int=number)),
        "resultCode": code,
        "resultMessage": message,
        "opCompletionTimestamp": moment(at),
    }


def not_activated(number: int) -> Response:
    """What a SIM that was never provisioned is answered: a refusal, with HTTP 200."""
    return JSONResponse(outcome(number, NOT_ACTIVATED, "Device not Activated.", None))


def not_linked() -> Response:
    """What a key that is not the account's is answered."""
    return error(401, "UNAUTHORIZED", "AccountId and ApiKey are not linked.")


def error(status: int, words: str, message: str) -> Response:
    """An error with an HTTP status of its own. Only the one with 401 was recorded."""
    return JSONResponse({"code": status, "status": words, "message": message}, status)


def word_of(profile: Profile, behaviour: AerAdminBehaviour) -> str:
    """The `deviceStatus` of a SIM."""
    words = {
        State.PROVISIONED: behaviour.provisioned_word,
        State.ACTIVE_BILLED: behaviour.billed_word,
        State.SUSPENDED: behaviour.suspended_word,
        State.CANCELED: behaviour.canceled_word,
    }
    return profile.shown_as or words[profile.state]


def details(device: Device, shown: list[Profile], behaviour: AerAdminBehaviour) -> dict[str, Any]:
    """A device with those of its SIMs that are shown."""
    return {
        "deviceProfileId": device.profile_id,
        "deviceAttributes": [_attributes(profile, behaviour) for profile in shown],
        "applicationType": "M",
        "customField": {},
        "reportGroup": 0,
        "containerId": "",
        "dataModelId": "",
        "registerOnAerCloud": False,
    }


def _attributes(profile: Profile, behaviour: AerAdminBehaviour) -> dict[str, Any]:
    code, message = profile.result
    return {
        "result": {"resultCode": code, "resultMessage": message},
        "deviceID": {"iccId": profile.iccid, "msisdn": profile.msisdn, "imsi": profile.imsi},
        "technology": "GSM",
        "serviceName": "service_name_here",
        "deviceStatus": word_of(profile, behaviour),
        "activationDate": moment(profile.billed_since),
        "cancelCode": 0,
        "ratePlan": "rate_plan_identifier",
        "ratePlanLabel": "rate_plan_label",
        "softwareVersion": "2.1.7.8",
        "active": profile.state is not State.CANCELED,
        "lteOnly": False,
    }


def network(device: Device, shown: list[Profile], at: float) -> dict[str, Any]:
    """When a device's SIMs were last on the network; `activeProfile` names one of them and is not a status."""
    times = moment(at)
    return {
        "deviceProfileId": device.profile_id,
        "networkResponse": [
            {
                **_numbers(profile),
                "dataSession": {
                    "serviceType": "UTRAN 3G / GERAN 2G",
                    "lastStartTime": times,
                    "lastStopTime": times,
                },
                "registration": {
                    "isRegistered": profile.state is not State.CANCELED,
                    "lastInactiveTime": times,
                    "lastRegistrationTime": times,
                    "lastRegistrationLocation": "14044558050",
                    "lastVoiceMTTime": times,
                    "lastSmsMOTime": times,
                    "lastSmsMTTime": times,
                    "lastSGSNLocation": "15622751147",
                    "lastAuthorizationTime": times,
                },
            }
            for profile in shown
        ],
        "activeProfile": {**_numbers(shown[0]), "technology": "GSM"},
    }


def _numbers(profile: Profile) -> dict[str, str]:
    return {"ICCID": profile.iccid, "IMSI": profile.imsi, "MDN": profile.msisdn, "MSISDN": profile.msisdn}
