"""What the mail block sends, and what it never shows."""

import socket

import pytest
from prefect.blocks.abstract import NotificationError
from pydantic import SecretStr

from simtandem.prefect_server.email_block import MailServer
from simtandem.prefect_server.webhook_block import Webhook
from tests.operation.sinks import MailBox

PASSWORD = "mail-password-that-stays-8"


def test_blocks_that_an_earlier_version_saved_are_known_by_the_same_names() -> None:
    """Prefect finds the class of a saved block by its type's slug, and its values by the names of the fields."""
    assert {block.get_block_type_slug(): sorted(block.model_fields) for block in (MailServer, Webhook)} == {
        "simtandem-mail-server": ["address"],
        "simtandem-webhook": ["address"],
    }


async def test_no_password_goes_to_a_mail_server_without_tls() -> None:
    with MailBox() as box:
        secret = box.address.replace("smtp://", f"smtp://ops:{PASSWORD}@")
        with pytest.raises(NotificationError, match="offers no TLS, so no password is sent") as refused:
            await MailServer(address=SecretStr(secret)).notify("body", "subject")
    assert PASSWORD not in f"{refused.value!r}"
    assert box.letters == []


async def test_a_mail_is_plain_text_and_its_subject_one_line() -> None:
    with MailBox() as box:
        block = MailServer(address=SecretStr(box.address))
        await block.notify("a\x1b[2J\u202eb\nc", "x\r\nBcc: evil@evil.test")
    assert box.letters == [("ops@example.org", "x Bcc: evil@evil.test", "a\\x1b[2J\\u202eb\r\nc\r\n")]


async def test_a_mail_server_that_is_away_is_told_of_without_its_password() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"smtp://ops:{PASSWORD}@127.0.0.1:{unused.getsockname()[1]}/?from=a@b.c&to=d@e.f"
        with pytest.raises(NotificationError) as failed:
            await MailServer(address=SecretStr(address)).notify("body")
    assert PASSWORD not in f"{failed.value!r}"
    assert failed.value.__cause__ is failed.value.__context__ is None
