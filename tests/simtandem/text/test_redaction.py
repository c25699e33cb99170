import base64
import json
import logging
import pickle
import re
from urllib.parse import quote

import jwt
import polars as pl
import pytest
from pydantic import SecretStr

from simtandem.errors import CarrierRefused, CarrierUnavailable, InputError, PlanRefused
from simtandem.settings import Settings
from simtandem.text.redaction import HIDDEN, Redactor, learn, learn_passing, redacted, redacted_data, redacted_frame

SECRET = "k/9+x~Tok en=ü<&>\"'7f3"
STRANGER = jwt.encode({"sub": "somebody", "exp": 4_000_000_000}, "y" * 64)


def spelled(secret: str) -> dict[str, str]:
    data = secret.encode()
    return {
        "plain": secret,
        "in a sentence": f"bad token {secret}!",
        "base64": base64.b64encode(data).decode(),
        "base64 for URLs": base64.urlsafe_b64encode(data).decode(),
        "base64 of more": base64.b64encode(b"user:" + data + b":x").decode(),
        "base64 of more, moved by one": base64.b64encode(b"user1:" + data + b"!").decode(),
        "base64 of more, moved by two": base64.b64encode(b"user12:" + data).decode(),
        "percent-code": quote(secret, safe=""),
        "percent-code, small": re.sub("%..", lambda code: code[0].lower(), quote(secret, safe="")),
        "hex": data.hex(),
        "JSON": json.dumps({"echo": secret}),
    }


@pytest.mark.parametrize("how", spelled(SECRET))
def test_a_secret_is_taken_out_however_it_is_spelled(how: str) -> None:
    redactor, text = Redactor(), spelled(SECRET)[how]
    assert redactor(text) == text
    redactor.learn([SECRET])
    assert HIDDEN in redactor(text)
    inner = base64.b64encode(SECRET.encode()).decode().rstrip("=")[:-2]
    assert not any(part in redactor(text) for part in (SECRET, inner, quote(SECRET, safe=""), SECRET.encode().hex()))


@pytest.mark.parametrize(
    "text",
    [
        STRANGER,
        f"Bearer {STRANGER}, please",
        STRANGER[:60],  # cut short
        STRANGER.rpartition(".")[0],  # without its signature
        base64.b64encode(STRANGER.encode()).decode(),
    ],
)
def test_what_looks_like_a_json_web_token_is_taken_out_though_nobody_knows_it(text: str) -> None:
    hidden = Redactor()(text)
    assert HIDDEN in hidden
    assert STRANGER[3:30] not in hidden
    assert len(hidden) < 40


@pytest.mark.parametrize("text", ["eyJohnson_depot.csv", "keyJuggler list of 2026", "8988303000000000001", "", "eyJ"])
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor()(text) == text


def test_digits_alone_are_an_identifier_and_stay_whatever_a_password_is() -> None:
    redactor = Redactor()
    redactor.learn(["898830"])
    assert redactor("8988303000000000001") == "8988303000000000001"
    assert redactor("pw=898830") == f"pw={HIDDEN}"


def test_a_password_that_is_a_plain_word_is_taken_out_of_addresses_alone() -> None:
    redactor = Redactor()
    redactor.learn(["simtandem"])
    assert redactor("/home/ops/.simtandem/runs") == "/home/ops/.simtandem/runs"
    assert "simtandem@" not in redactor("postgresql://ops:simtandem@db/fleet")


def test_of_secrets_that_pass_only_the_latest_are_looked_for() -> None:
    redactor = Redactor()
    redactor.learn(["first-and-lasting-1"])
    for number in range(200):
        redactor.learn([f"bearer-token-number-{number:03}"], passing=True)
    assert redactor("bearer-token-number-000") == "bearer-token-number-000"
    assert redactor("bearer-token-number-199, first-and-lasting-1") == f"{HIDDEN}, {HIDDEN}"


def test_a_table_and_plain_data_are_redacted_all_through() -> None:
    learn("table-secret-1")
    table = pl.DataFrame({"row": [1, 2], "said": ["no table-secret-1", None], "ids": ["8988303000000000001", STRANGER]})
    assert redacted_frame(table).rows() == [(1, f"no {HIDDEN}", "8988303000000000001"), (2, None, HIDDEN)]
    assert redacted_data({"table-secret-1": [{"a": ("x table-secret-1", 3, None)}]}) == {
        HIDDEN: [{"a": [f"x {HIDDEN}", 3, None]}]
    }


@pytest.mark.parametrize(
    "error",
    [
        InputError(f"header {STRANGER}"),
        PlanRefused(f"rejected by {STRANGER}"),
        CarrierRefused(f"said {STRANGER}", "invalid", 400, 1000),
        CarrierUnavailable(f"said {STRANGER}", maybe_processed=True, status=500),
    ],
)
def test_an_error_holds_no_secret_from_the_moment_it_is_made(error: Exception) -> None:
    assert HIDDEN in str(error)
    assert STRANGER not in f"{error!r} {vars(error)}"
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_every_log_record_is_redacted_whoever_makes_it(caplog: pytest.LogCaptureFixture) -> None:
    learn_passing("log-secret-bearer-9")
    with caplog.at_level(logging.INFO):
        logging.getLogger("somebody.else").info("POST %s", "https://x.test/log-secret-bearer-9")
        try:
            raise ValueError("log-secret-bearer-9 is wrong")
        except ValueError:
            logging.getLogger("somebody.else").exception("failed")
    assert "log-secret-bearer-9" not in caplog.text
    assert caplog.text.count(HIDDEN) >= 2
    assert "Traceback" in caplog.text


def test_the_secrets_of_the_settings_are_known_as_soon_as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "ops:auth-string-4")
    Settings(
        emnify_token=SecretStr("settings-token-1"),
        ledger_url=SecretStr("postgresql+psycopg://ops:ledger%2Dpass1@db/fleet"),
        notify_webhook=SecretStr("https://hooks.chat.test/services/T0/B0/webhook-path-3"),
        notify_email=SecretStr("smtp://ops:mail-pass-2@mail.test/?from=a@b.c&to=d@e.f"),
        inbox="s3://key:inbox-pass-5@bucket/inbox",
    )
    told = (
        "settings-token-1 ledger-pass1 ledger%2Dpass1 mail-pass-2 inbox-pass-5 ops:auth-string-4 "
        "https://hooks.chat.test/services/T0/B0/webhook-path-3 /services/T0/B0/webhook-path-3"
    )
    assert set(redacted(told).split()) == {HIDDEN}
    assert redacted("postgresql://db/fleet") == "postgresql://db/fleet"
