"""What an AerAdmin answer means. Pure.

Business errors come with HTTP 200 and a `resultCode` that is not 0; identity errors with HTTP 401 and `{code, status,
message}`. A device's answer has a result of its own for each of its SIMs as well: the call went well only where all of
them are 0. The words of `deviceStatus` are handed on as they are: only `Bill` was ever seen in public.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simtandem.carriers.http_call import Kind, Received, Reply, by_status, shown, unusable

NOT_ACTIVATED = "1047"
"""The code of a SIM that was never provisioned, with "Device not Activated."."""


@dataclass(frozen=True, slots=True)
class Sim:
    """One SIM of a device. `status_word` is AerAdmin's, untranslated."""

    iccid: str
    imsi: str
    msisdn: str
    status_word: str


@dataclass(frozen=True, slots=True)
class DeviceAnswer:
    """What is known of a device. `sims` is empty where the reply is not `OK`."""

    reply: Reply
    profile_id: str = ""
    sims: tuple[Sim, ...] = ()

    @property
    def not_activated(self) -> bool:
        """Whether AerAdmin says that the device was never provisioned; of one SIM of it, that says nothing certain."""
        whole = self.reply.data.get("resultCode") if isinstance(self.reply.data, dict) else None
        return self.reply.kind is Kind.REFUSED and _code(whole) == NOT_ACTIVATED


def read_reply(received: Received) -> Reply:
    """The reply to any call."""
    data = received.data
    if not 200 <= received.status < 300:
        error = data if isinstance(data, dict) else {}
        return by_status(received, _code(error.get("resultCode")), shown(error.get("message")))
    if received.flaw or not isinstance(data, dict) or not _code(data.get("resultCode")):
        return unusable(received, received.flaw or "it has no resultCode")
    whole = {"resultCode": data["resultCode"]}
    for result in [data, *_results_of_sims(data)]:
        code = _code(result.get("resultCode"))
        if code != "0":
            message = shown(result.get("resultMessage"))
            detail = f"HTTP {received.status}, code {code or 'none'}" + (f": {message}" if message else "")
            sentence = f"the carrier refused the request ({detail})"
            return Reply(Kind.REFUSED, received.status, sentence, code, data=whole, headers=received.headers)
    return Reply(Kind.OK, received.status, data=data, headers=received.headers)


def read_device(reply: Reply, kind: str, ident: str) -> DeviceAnswer:
    """The device in the answer to a question for it by this kind of id."""
    if reply.kind is not Kind.OK or not isinstance(reply.data, dict):
        return DeviceAnswer(reply)
    attributes = reply.data.get("deviceAttributes")
    sims = [_sim(each) for each in attributes] if isinstance(attributes, list) else []
    whole = [sim for sim in sims if sim is not None]
    if not whole or len(whole) < len(sims):
        return DeviceAnswer(_useless(reply, "it does not show the status of every SIM"))
    profile_id = _text(reply.data.get("deviceProfileId"))
    named = {"ICCID": [sim.iccid for sim in whole], "IMSI": [sim.imsi for sim in whole]}.get(kind, [profile_id])
    if not any(_same(each, ident) for each in named):
        return DeviceAnswer(_useless(reply, "it is about another device"))
    return DeviceAnswer(reply, profile_id, tuple(whole))


def _results_of_sims(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    attributes = data.get("deviceAttributes")
    found = (
        [each.get("result") for each in attributes if isinstance(each, dict)] if isinstance(attributes, list) else []
    )
    return [each for each in found if isinstance(each, dict)]


def _sim(item: object) -> Sim | None:
    if not isinstance(item, dict):
        return None
    ids, word = item.get("deviceID"), _text(item.get("deviceStatus")).strip()
    if not isinstance(ids, dict) or not word:
        return None
    return Sim(_text(ids.get("iccId")), _text(ids.get("imsi")), _text(ids.get("msisdn")), word)


def _same(shown_id: str, asked: str) -> bool:
    """Whether both are one id. An ICCID has 19 digits or 20, and may come back with or without its last one."""
    short, long = sorted((shown_id, asked), key=len)
    return shown_id == asked or (len(short) == 19 and len(long) == 20 and long.startswith(short))


def _useless(reply: Reply, why: str) -> Reply:
    return Reply(Kind.UNANSWERED, reply.status, f"the carrier's answer can't be used: {why}")


def _code(value: object) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
