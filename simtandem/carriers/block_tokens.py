"""Tokens that the settings file leaves to a Secret block of Prefect's, for commands at the terminal.

A run that Prefect starts has its token with its settings. A command asks the server in a process of its own, so that
this one does not use that server for anything else, and only once it needs the token.
"""

import json
import subprocess
import sys
from typing import Final

from pydantic import SecretStr

from simtandem.errors import InputError
from simtandem.settings import PREFIX, Settings, child_environment
from simtandem.settings.accounts import TOKENS, URLS
from simtandem.text import redaction

_READER = "simtandem.prefect_server.secret_blocks"
_WITHIN_S = 120.0


class BlockTokens:
    """The tokens that this process has read, with the hosts that they are for, by account and block."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], tuple[str, str]] = {}

    def held(self, settings: Settings) -> tuple[str, str] | None:
        """What was read for these settings; None where nothing was."""
        return self._held.get((settings.account, settings.token_block))

    def filled(self, settings: Settings) -> Settings:
        """The settings with the token of their block, where they name one and have none.

        Raises `InputError` where it can't be read, or is for another host.
        """
        if not settings.token_block or getattr(settings, name := TOKENS[settings.carrier]) is not None:
            return settings
        settings.require_private()
        token, host = self.held(settings) or _read(settings)
        require_host(settings, host)
        redaction.learn(token)
        self._held[settings.account, settings.token_block] = token, host
        return settings.model_copy(update={name: SecretStr(token)})


BLOCKS: Final = BlockTokens()
"""Those of this process."""


def require_host(settings: Settings, host: str) -> None:
    """Raise `InputError` where a block's token is for another host than the carrier's."""
    if host == settings.carrier_host:
        return
    name, url = TOKENS[settings.carrier].upper(), URLS[settings.carrier].upper()
    raise InputError(
        f"The token in Prefect's Secret block is for {host}, and {PREFIX}{url} names "
        f"{settings.carrier_host}. Nothing was sent.\nIf it is for that host, write the block as "
        f'{{"token": "…", "host": "{settings.carrier_host}"}}, or set {PREFIX}{name} beside the address.'
    )


def _read(settings: Settings) -> tuple[str, str]:
    block, where = settings.token_block, f"The token of account {settings.account} is in Prefect's Secret block"
    command = [sys.executable, "-P", "-m", _READER, block, URLS[settings.carrier]]
    try:
        done = subprocess.run(  # noqa: S603 - fixed but for a name of the settings file
            command, env=child_environment({}), capture_output=True, timeout=_WITHIN_S, check=True
        )
        said: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        said = {"error": "Prefect could not be asked for it."}
    if "error" in said:
        raise InputError(
            f"{where} {block}, which can't be read: {said['error']} Nothing was sent.\n"
            "See to that, or write in the settings file where else the token is: env:NAME or file:/path."
        ) from None
    return said["token"], said["host"]
