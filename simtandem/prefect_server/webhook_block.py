"""A Slack-compatible webhook as a Prefect notification block.

Prefect's own blocks name the address in their errors and logs, and whoever knows that address may post to it. This one
says what went wrong and never where. The package is named among `prefect.collections` in pyproject.toml, so every
Prefect server that is installed beside simtandem knows the block.
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

_PATIENCE_S = 30


class Webhook(NotificationBlock):
    """Posts notifications to a Slack-compatible webhook."""

    _block_type_name = "Simtandem webhook"
    _block_type_slug = "simtandem-webhook"
    _description = "Tells people how runs went, in a chat."

    address: SecretStr = Field(title="Address", description="The URL that the chat gave for this webhook.")

    async def notify(self, body: str, subject: str | None = None) -> None:
        """Post one message. Raises `NotificationError`, which does not name the address."""
        learn_address(self.address.get_secret_value())
        text = f"*{escaping.notification(escaping.subject(subject or 'simtandem'))}*\n{escaping.notification(body)}"
        failure = await asyncio.to_thread(self._post, json.dumps({"text": text}).encode())
        if failure:
            raise NotificationError(f"The webhook did not take the message: {failure}.")

    def _post(self, data: bytes) -> str:
        """What went wrong; nothing where all went well."""
        try:
            request = urllib.request.Request(  # noqa: S310 - http(s): see _NoRedirects
                self.address.get_secret_value(), data, {"Content-Type": "application/json"}
            )
            if request.type not in ("http", "https"):
                return "its address is no http(s) address"
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=_PATIENCE_S):
                return ""
        except urllib.error.HTTPError as error:
            error.close()
            return f"HTTP {error.code}"
        except (OSError, ValueError) as error:
            return type(error).__name__


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """What is meant for one place is not taken to another."""

    def redirect_request(self, *_: Any) -> None:
        return None
