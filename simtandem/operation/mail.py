"""E-mail as a Prefect notification block.

Prefect has none for a plain mail server. The package is named among `prefect.collections` in pyproject.toml, so every
Prefect server that is installed beside simtandem knows the block.
"""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

from prefect.blocks.abstract import NotificationBlock
from pydantic import Field, SecretStr

_PATIENCE_S = 30


class MailServer(NotificationBlock):
    """Sends notifications by e-mail.

    `address` is `smtp://user:password@host:587/?from=a@example.org&to=b@example.org`, with several `to` if need be;
    `smtps://` speaks TLS from the start, `smtp://` starts it where the server offers to. User and password may be left
    out.
    """

    _block_type_name = "Simtandem mail server"
    _block_type_slug = "simtandem-mail-server"
    _description = "Tells people how runs went, by e-mail."

    address: SecretStr = Field(title="Address", description="smtp://user:password@host:587/?from=…&to=…")

    async def notify(self, body: str, subject: str | None = None) -> None:
        """Send one message; raises what the mail server refuses."""
        await asyncio.to_thread(self._send, body, subject or "simtandem")

    def _send(self, body: str, subject: str) -> None:
        parts = urlsplit(self.address.get_secret_value())
        asked = parse_qs(parts.query)
        message = EmailMessage()
        message["Subject"] = " ".join(subject.split())
        message["From"] = asked["from"][0]
        message["To"] = ", ".join(asked["to"])
        message.set_content(body)
        host, secure = parts.hostname or "localhost", parts.scheme == "smtps"
        kind = smtplib.SMTP_SSL if secure else smtplib.SMTP
        with kind(host, parts.port or (465 if secure else 25), timeout=_PATIENCE_S) as server:
            server.ehlo()
            if not secure and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(message)
