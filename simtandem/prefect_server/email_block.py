"""E-mail as a Prefect notification block.

Prefect's own mail block sends passwords without TLS (docs/decisions.md). `prefect.collections` in pyproject.toml names
this module, so that every Prefect server installed with simtandem knows the block.
"""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

from prefect.blocks.abstract import NotificationBlock, NotificationError
from pydantic import Field, SecretStr

from simtandem.prefect_server.webhook_block import Webhook
from simtandem.text import escaping
from simtandem.text.redaction import learn_address

__all__ = ["MailServer", "Webhook"]  # Prefect loads both blocks from this module

_TIMEOUT_S, _LONGEST_ANSWER = 30, 300


class MailServer(NotificationBlock):
    """Sends notifications by e-mail.

    `address` is `smtp://user:password@host:587/?from=a@example.org&to=b@example.org`; `to` may occur several times.
    `smtps://` uses TLS from the start, `smtp://` uses STARTTLS if the server offers it. A password is sent over TLS
    only. User and password are optional.
    """

    _block_type_name = "Simtandem mail server"
    _block_type_slug = "simtandem-mail-server"
    _description = "Sends notifications about runs by e-mail."

    address: SecretStr = Field(title="Address", description="smtp://user:password@host:587/?from=…&to=…")

    async def notify(self, body: str, subject: str | None = None) -> None:
        """Send one message. Raises `NotificationError`, which names neither address nor password."""
        learn_address(self.address.get_secret_value())
        try:
            await asyncio.to_thread(self._send, escaping.mail(body), escaping.subject(subject or "simtandem"))
        except NotificationError:
            raise
        except Exception as error:  # noqa: BLE001 - a server's answer may quote the login
            answer = escaping.terminal(str(error))[:_LONGEST_ANSWER]
            failure = NotificationError(f"The mail server did not accept the message: {type(error).__name__} {answer}")
        else:
            return
        raise failure

    def _send(self, body: str, subject: str) -> None:
        parts = urlsplit(self.address.get_secret_value())
        query = parse_qs(parts.query)
        message = EmailMessage()
        message["Subject"] = subject
        message["From"] = query["from"][0]
        message["To"] = ", ".join(query["to"])
        message.set_content(body)
        host, secure = parts.hostname or "localhost", parts.scheme == "smtps"
        with _connected(host, parts.port, secure=secure) as server:
            server.ehlo()
            if not secure and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                secure = True
            if parts.username and not secure:
                raise NotificationError(
                    f"The mail server {host} offers no TLS, so no password is sent to it, and no mail. Use smtps://, "
                    "a server that offers STARTTLS, or an address without user and password."
                )
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(message)


def _connected(host: str, port: int | None, *, secure: bool) -> smtplib.SMTP:
    if secure:
        return smtplib.SMTP_SSL(host, port or 465, timeout=_TIMEOUT_S, context=ssl.create_default_context())
    return smtplib.SMTP(host, port or 25, timeout=_TIMEOUT_S)
