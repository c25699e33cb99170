"""A Slack-compatible webhook as a Prefect notification block.

Prefect's own blocks write the address to errors and logs, and anyone who knows the address can post to it. This block
never shows it. `email_block` makes it known to Prefect.
"""

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

from prefect.blocks.abstract import NotificationBlock, NotificationError
from pydantic import Field, SecretStr

from simtandem.text import escaping
from simtandem.text.redaction import learn_address

_TIMEOUT_S = 30


class Webhook(NotificationBlock):
    """Posts notifications to a Slack-compatible webhook."""

    _block_type_name = "Simtandem webhook"
    _block_type_slug = "simtandem-webhook"
    _description = "Sends notifications about runs to a chat."

    address: SecretStr = Field(title="Address", description="URL of the incoming webhook, from the chat.")

    async def notify(self, body: str, subject: str | None = None) -> None:
        """Post one message. Raises `NotificationError`, which does not name the address."""
        learn_address(self.address.get_secret_value())
        text = f"*{escaping.notification(escaping.subject(subject or 'simtandem'))}*\n{escaping.notification(body)}"
        failure = await asyncio.to_thread(self._post, json.dumps({"text": text}).encode())
        if failure:
            raise NotificationError(f"The webhook did not accept the message: {failure}.")

    def _post(self, data: bytes) -> str:
        """The failure in a few words; empty on success."""
        try:
            request = urllib.request.Request(  # noqa: S310 - http(s): see _NoRedirects
                self.address.get_secret_value(), data, {"Content-Type": "application/json"}
            )
            if request.type not in ("http", "https"):
                return "its address is not an http(s) URL"
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=_TIMEOUT_S):
                return ""
        except urllib.error.HTTPError as error:
            error.close()
            return f"HTTP {error.code}"
        except (OSError, ValueError) as error:
            return type(error).__name__


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Never sends a message on to another address."""

    def redirect_request(self, *_: Any) -> None:
        return None
