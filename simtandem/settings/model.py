"""The settings, each with its bounds and its line in the README."""

import os
import re
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, PrivateAttr, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.accounts import DEFAULT, AccountKey, folder_in
from schemas.aeris_settings import AerisSettings
from schemas.hosts import host_of, is_loopback
from schemas.store_settings import StoreSettings
from schemas.waves import amount, sizes
from simtandem.errors import InputError
from simtandem.settings import environment
from simtandem.settings.environment import PREFIX
from simtandem.text import redaction

VARIABLES = ("currency", "monthly_rate", "sim_concurrency", "timezone")
"""The settings that a Prefect Variable may supply: they give nobody more rights."""

OF_ACCOUNT = frozenset(AerisSettings.model_fields) | frozenset(
    [
        "emnify_url", "emnify_token", "allow_http", "calls", "calls_window_s", "calls_reserve", "egress",
        "sim_concurrency", "max_suspend_share", "max_newly_billed", "confirm_newly_billed", "stop_share",
        "stop_at_least", "waves", "wave_limit", "wave_attached", "monthly_rate", "currency", "four_eyes", "timezone",
    ]
)  # fmt: skip
"""The settings that the section of an account may set."""

_SQLITE_FILE = re.compile(r"(?P<driver>sqlite(?:\+\w+)?:///(?:file:)?)(?P<path>[^/?:][^?]*)(?P<rest>\?.*)?", re.DOTALL)


def expanded(home: Path) -> Path:
    """The folder in full. Raises `ValueError` where it begins with ~ and this user has no home folder."""
    try:
        return home.expanduser().absolute()
    except RuntimeError:
        message = "this user has no home folder; name a folder in full, such as /var/lib/simtandem"
        raise ValueError(message) from None


class Settings(AerisSettings, StoreSettings, BaseSettings):
    """The settings, read from `SIMTANDEM_*` variables when an instance is created.

    Use `load` for errors in plain sentences.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    home: Path = Field(default=Path("~/.simtandem"), description="ledger, run folders, call budget, embedded Prefect")
    account: str = Field(default=DEFAULT, description="account of the settings file, where it has several")
    ledger_url: SecretStr | None = Field(default=None, description="`postgresql+psycopg://…`; unset: SQLite in `home`")
    emnify_url: str = Field(default="https://cdn.emnify.net", description="any host that serves the same API")
    emnify_token: SecretStr | None = Field(default=None, description="application token; never logged, stored or shown")
    allow_http: bool = Field(default=False, description="1: send the token unencrypted beyond this machine, too")
    calls: int = Field(default=2000, ge=1, description="calls the carrier allows in a window")
    calls_window_s: float = Field(
        default=300.0, gt=0, allow_inf_nan=False, description="that window, in seconds, sliding"
    )
    calls_reserve: float = Field(default=0.05, ge=0, lt=1, description="share of the calls reserved for other programs")
    egress: str = Field(
        default="",
        max_length=40,
        pattern=r"^[a-z0-9-]*$",
        description="name of the address this host's calls leave from; unset: the same for all hosts of a ledger",
    )
    sim_concurrency: int = Field(default=8, ge=1, le=64, description="SIM PATCHes at a time")
    max_suspend_share: float = Field(
        default=0.30, ge=0, le=1, description="share of the charged SIMs one plan may suspend"
    )
    max_newly_billed: int | None = Field(
        default=None, ge=0, description="SIMs one plan may newly bill; unset: any number"
    )
    confirm_newly_billed: int = Field(
        default=100, ge=0, description="SIMs activated permanently above which a terminal asks for their number"
    )
    stop_share: float = Field(
        default=0.20, ge=0, le=1, description="share of a batch that may fail before the run stops"
    )
    stop_at_least: int = Field(default=10, ge=1, description="... and the number that must have failed as well")
    waves: str = Field(
        default="", description="waves of runs that name none themselves, such as 50,500,rest; unset: none"
    )
    wave_limit: str = Field(
        default="2%", description="devices of a wave, or a share, that may not be in sync for the next to begin"
    )
    wave_attached: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="share of a wave's activated devices that `--wave-check attached` waits for",
    )
    monthly_rate: Decimal | None = Field(
        default=None, ge=0, description="price of a charged SIM per month; unset: reports show no money"
    )
    currency: str = Field(default="", max_length=8, description="currency of that price, such as EUR")
    max_file_mb: int = Field(default=1024, ge=1, le=65_536, description="MB of a device list that are read at most")
    max_file_rows: int = Field(default=5_000_000, ge=1, description="rows of a device list that are read at most")

    archive_after_days: int | None = Field(default=None, ge=31, description="days until details of runs are archived")
    four_eyes: bool = Field(default=False, description="1: a second person approves each plan before it is sent")
    list_folders: str | None = Field(
        default=None, description="folders, `:` between, of lists that a form may name; unset: the inbox, `home`/lists"
    )
    list_schemes: str = Field(default="https", description="schemes, `,` between, of addresses that a form may name")
    list_hosts: str = Field(default="", description="hosts, `,` between, that lists come from; unset: any public one")

    inbox: str | None = Field(default=None, description="folder or fsspec URL where CSVs are dropped; unset: in `home`")
    inbox_settle_s: float = Field(
        default=10.0, ge=0, le=600, description="seconds a file must stay unchanged before it is taken"
    )
    timezone: str = Field(default="UTC", description="IANA zone of times written without an offset")

    log_format: Literal["text", "json"] = Field(default="text", description="`json`: messages are one object a line")
    metrics_port: int | None = Field(default=None, ge=1, le=65_535, description="loopback port of Prometheus metrics")
    notify_webhook: SecretStr | None = Field(
        default=None, description="Slack-compatible webhook for notifications about runs"
    )
    notify_email: SecretStr | None = Field(default=None, description="`smtp://user:password@host:587/?from=…&to=…`")

    _token_block: str = PrivateAttr(default="")
    _no_token: str = PrivateAttr(default="")
    _same_token: tuple[str, ...] = PrivateAttr(default=())

    @field_validator("home")
    @classmethod
    def _expand(cls, home: Path) -> Path:
        return expanded(home)

    @field_validator("ledger_url")
    @classmethod
    def _in_one_place(cls, url: SecretStr | None) -> SecretStr | None:
        """A relative path means the same file after the working folder has changed."""
        found = _SQLITE_FILE.fullmatch(url.get_secret_value()) if url is not None else None
        if found is None:
            return url
        return SecretStr(f"{found['driver']}{Path(found['path']).absolute()}{found['rest'] or ''}")

    @field_validator("inbox")
    @classmethod
    def _expand_inbox(cls, inbox: str | None) -> str | None:
        if inbox is None or "://" in inbox:
            return inbox
        return str(cls._expand(Path(inbox)))

    @field_validator("emnify_url", "aeradmin_url", "iot_accelerator_url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        try:
            parts = urlsplit(url.strip())
            plain = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc and parts.port != 0
        except ValueError:  # an open bracket, an invalid port: the message would quote the URL
            plain = False
        if not plain or parts.query or parts.fragment:
            message = "must be an http(s) address of a host, without user, password or query"
            raise ValueError(message)
        return url.strip().rstrip("/")

    @field_validator("waves", "wave_limit")
    @classmethod
    def _readable_waves(cls, text: str, info: ValidationInfo) -> str:
        (sizes if info.field_name == "waves" else amount)(text)
        return text.strip()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            message = "is no time zone; write it like Europe/Berlin or UTC"
            raise ValueError(message) from None
        return name

    @model_validator(mode="after")
    def _never_show(self) -> Self:
        """Redact the secrets everywhere from now on."""
        for secret in (self.emnify_token, self.aeradmin_api_key, self.iot_accelerator_password):
            if secret is not None:
                redaction.learn(secret.get_secret_value())
        for address in (self.notify_webhook, self.notify_email):
            if address is not None:
                redaction.learn_address(address.get_secret_value())
        for shown in (self.ledger_url.get_secret_value() if self.ledger_url else "", self.inbox or ""):
            redaction.learn_password(shown)
        redaction.learn(*environment.secrets_of_prefect())
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The zone of dates and times that are written without an offset."""
        return ZoneInfo(self.timezone)

    @property
    def inbox_url(self) -> str:
        """Where the inbox is: a folder or an fsspec URL. It may hold credentials: never show it."""
        if self.inbox is None:
            return str(self.home / "inbox")
        return self.inbox

    @property
    def account_inbox(self) -> str:
        """Where files for this account are dropped: the inbox for `default`, else a folder of its name in it."""
        return self.inbox_url if self.account == DEFAULT else folder_in(self.inbox_url, self.account)

    @property
    def warnings(self) -> list[str]:
        """What is said in every run: that its token can be read on its way, or is another account's as well."""
        found = []
        if self._in_the_open:
            found.append(
                f"The calls to {self.carrier_host} are not encrypted: anyone on the network can read the token and "
                f"change the calls. Use https ({self.address_setting})."
            )
        if self._same_token:
            found.append(
                f"The accounts {', '.join((self.account, *self._same_token))} have one token: the carrier counts their "
                "calls together, and their runs don't wait for one another. Keep one of them."
            )
        return found

    def with_token(self, block: str, missing: str, same_token: list[str]) -> Self:
        """Where else the token is, or why there is none, and which other accounts have the same one."""
        self._token_block, self._no_token, self._same_token = block, missing, tuple(same_token)
        return self

    @property
    def token_block(self) -> str:
        """The Secret block of Prefect's that has the token, where the settings file names one."""
        return self._token_block

    @property
    def _in_the_open(self) -> bool:
        return self.carrier_url.startswith("http:") and not is_loopback(urlsplit(self.carrier_url).hostname or "")

    @property
    def list_roots(self) -> tuple[Path, ...]:
        """The folders whose lists a form may name."""
        if self.list_folders is None:
            inbox = () if "://" in self.inbox_url else (Path(self.inbox_url),)
            return (self.home / "lists", *inbox)
        return tuple(Path(each).expanduser().absolute() for each in self.list_folders.split(os.pathsep) if each.strip())

    @property
    def list_schemes_named(self) -> tuple[str, ...]:
        """The URL schemes that a form may use."""
        return _words(self.list_schemes)

    @property
    def list_hosts_named(self) -> tuple[str, ...]:
        """The only hosts that lists may be fetched from; empty: any public host."""
        return _words(self.list_hosts)

    @property
    def capacity(self) -> int:
        """Calls allowed in a window: the carrier's limit less the reserve, at least one."""
        return max(1, int(self.calls * (1 - self.calls_reserve) + 1e-9))

    @property
    def address_setting(self) -> str:
        """What to set where the carrier's address is not the right one."""
        own = f"{PREFIX}{self.carrier.replace('-', '_').upper()}_URL"
        return own if self.account == DEFAULT else f"url in [accounts.{self.account}]"

    @property
    def carrier_url(self) -> str:
        """Where the carrier of these settings is called."""
        urls = {"aeradmin": self.aeradmin_url, "iot-accelerator": self.iot_accelerator_url}
        return urls.get(self.carrier, self.emnify_url)

    @property
    def carrier_host(self) -> str:
        """Host of the carrier in one spelling, as the ledger and the file names of shared state keep it."""
        return host_of(self.carrier_url)

    @property
    def account_key(self) -> AccountKey:
        """What ledger and shared files keep this account's things under."""
        return AccountKey(self.account, self.carrier_host)

    @property
    def slots_pool(self) -> str:
        """Whose calls are counted together, by all hosts of a ledger: those of an account from one address."""
        return f"{self.account_key.file_name} {self.egress}".strip()

    @cached_property
    def runs_folder(self) -> Path:
        """Where each run leaves its files."""
        return self.home / "runs"

    @cached_property
    def archive_folder(self) -> Path:
        """Where the details of pruned runs go."""
        return self.home / "archive"

    @cached_property
    def heads_file(self) -> Path:
        """Where the heads that the ledger is given from here are remembered."""
        return self.home / "ledger.heads"

    def ledger(self) -> str:
        """The ledger's URL. It may hold a password: never show it."""
        if self.ledger_url is not None:
            return self.ledger_url.get_secret_value()
        return f"sqlite:///{self.home / 'ledger.sqlite'}"

    def require_private(self) -> None:
        """Raise `InputError` where others would read the token, key or password on its way to the carrier."""
        if self._in_the_open and not self.allow_http:
            raise InputError(
                f"{self.address_setting} is an http:// address beyond this machine: anyone on the network could "
                "read the token. Nothing was sent.\n"
                f"Use https://, or set {PREFIX}ALLOW_HTTP=1 if that is what you want."
            )

    def token(self) -> str:
        """The application token. Raises `InputError` if none is set, or if others could read it on the network."""
        self.require_private()
        if self.emnify_token is None and (self._no_token or self._token_block):
            raise InputError(self._no_token or _only_in_prefect(self.account, self._token_block))
        if self.emnify_token is None:
            raise InputError(
                f"No application token: {PREFIX}EMNIFY_TOKEN is not set. Nothing was sent.\n"
                "Make one in the carrier's portal (Integrations, Application tokens) and set it in the environment."
            )
        return self.emnify_token.get_secret_value()


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip().casefold() for word in text.split(",") if word.strip())


def _only_in_prefect(account: str, block: str) -> str:
    return (
        f"The token of account {account} is in Prefect's Secret block {block}, which runs in Prefect read. Nothing was "
        "sent.\nStart a deployment, or write where else the token is: env:NAME or file:/path."
    )


def secret_names() -> set[str]:
    """Settings that must not be shown, by the name of their field."""
    return {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
