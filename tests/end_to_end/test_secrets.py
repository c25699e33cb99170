"""After every command against a carrier that repeats each secret in every field, no byte that is left holds one."""

import base64
import sqlite3
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import jwt
import polars as pl
import pytest

from tests.conftest import PrefectServer
from tests.end_to_end.operator_desk import Desk
from tests.end_to_end.recorded_carrier import ENDPOINT, SIM, Answer, Call, RecordedCarrier, serving

TOKEN = "application/token+that=nobody:repeats-71b3"
REFRESH = "refresh-token-that-nobody-repeats-42c9"
BEARER = jwt.encode({"exp": 4_000_000_000, "sub": "bearer-of-this-process"}, "k" * 64)
STRANGER = jwt.encode({"sub": "a-token-that-was-never-ours"}, "s" * 64)
SECRETS = (TOKEN, REFRESH, BEARER, STRANGER)


def spellings() -> list[str]:
    coded = [base64.b64encode(each.encode()).decode() for each in SECRETS]
    return [*SECRETS, *coded, *(each.rstrip("=") for each in coded), quote(TOKEN, safe=""), BEARER[:80], STRANGER[:80]]


class Echo:
    """Repeats another spelling of another secret each time it is asked to, alone or in a sentence."""

    def __init__(self, carrier: RecordedCarrier) -> None:
        self._carrier = carrier
        self._said = 0

    def say(self) -> str:
        self._said += 1
        return spellings()[self._said % len(spellings())]

    def __call__(self, call: Call) -> Answer | None:
        everything = {"X-Request-Id": self.say(), "Link": self.say(), "Set-Cookie": f"a={self.say()}"}
        if call.path.endswith("authenticate"):
            assert call.body == {"application_token": TOKEN}
            told = {"auth_token": BEARER, "refresh_token": REFRESH, "message": self.say()}
            return 200, told, everything
        if call.path.endswith("event"):
            return 200, [self._event(number) for number in range(20)], everything
        if call.method == "PATCH" and call.path.endswith((str(SIM + 2), str(SIM + 5))):
            error = {"error_code": 1400, "error_token": self.say(), "message": f"no: {' '.join(spellings())}"}
            return 422, {**error, "errors": [{"message": f"bad {self.say()}", "field": self.say()}]}, everything
        status, body, headers = self._carrier._answer(call)
        return status, self._repeating(body), {**headers, **everything}

    def _event(self, number: int) -> object:
        kind = {"id": 8 + number % 2, "description": self.say()}
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        sim = {"id": SIM + 1 + number % 6, "iccid": self.say()}
        who = {"id": self.say(), "name": self.say(), "username": self.say()}
        return {"id": f"{number} {self.say()}", "timestamp": at, "event_type": kind, "description": self.say(),
                "sim": sim, "user": who, "event_source": {"id": 2, "description": self.say()}}  # fmt: skip

    def _repeating(self, body: object) -> object:
        if isinstance(body, list):
            return [self._repeating(item) for item in body]
        if not isinstance(body, dict):
            return body
        told = {**body, "name": self.say(), "tags": self.say(), self.say(): self.say()}
        if told.get("id") in (SIM + 6, ENDPOINT + 6):
            told |= {"iccid": self.say(), "status": {"id": self.say(), "description": self.say()}}
        return told


@pytest.fixture
def carrier() -> Iterator[RecordedCarrier]:
    carrier = RecordedCarrier(6)
    carrier.token = TOKEN
    carrier.answers = Echo(carrier)
    yield from serving(carrier)


def bytes_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All that files hold, also what is packed in them."""
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        yield str(path), path.read_bytes()
        if path.suffix == ".parquet":
            yield f"{path}, unpacked", str(pl.read_parquet(path).to_dicts()).encode()
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as book:
                yield from ((f"{path}, {name}", book.read(name)) for name in book.namelist())
        if path.suffix == ".sqlite":
            with sqlite3.connect(path) as database:
                yield f"{path}, dumped", "\n".join(database.iterdump()).encode()
            database.close()


def test_nothing_that_is_left_holds_a_secret(
    tmp_path: Path, carrier: RecordedCarrier, prefect_server: PrefectServer
) -> None:
    desk = Desk(tmp_path / "desk", carrier, prefect_server.home)
    desk.variables["SIMTANDEM_NOTIFY_WEBHOOK"] = "https://hooks.test/services/T00/B00/webhook-that-nobody-repeats"
    desk.variables["SIMTANDEM_ALLOW_HTTP"] = "1"
    file = desk.file([SIM + number for number in range(1, 7)])
    applied = desk.run("apply", file, "--to", "activated", "--yes", "--verbose", "--json")
    assert applied.code == 1
    assert "(secret)" in applied.out + (desk.run_folders()[-1] / "results.csv").read_text()
    desk.run("audit", "--verbose")
    desk.run("report", "latest", "--events", "--verbose")
    for form in ("xlsx", "parquet"):
        desk.run("report", applied.document()["run_id"], "--format", form)
    assert desk.run("verify").code == 0
    said = [("output", text.encode()) for text in desk.said]
    left = [*said, *bytes_of(desk.folder), *bytes_of(prefect_server.home)]
    secrets = [each.encode() for each in (*spellings(), "webhook-that-nobody-repeats")]
    assert [(where, secret) for where, held in left for secret in secrets if secret in held] == []
    assert len(left) > 40, "there was something to look at"
