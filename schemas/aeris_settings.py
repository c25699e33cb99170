"""The settings of Aeris's two platforms, and the one that chooses a carrier.

`simtandem.settings.Settings` has them among its own.

Nothing about AerAdmin's call that changes a state has a default: no public source describes it.
"""

from typing import Literal

from pydantic import BaseModel, Field, SecretStr

STATE_CHANGE = ("method", "path", "words")
"""What has to be known of the call that changes a state at AerAdmin; it may have a body."""


class AerisSettings(BaseModel):
    """Where, as whom and how fast to call; and what only a contract or Aeris's own documentation says."""

    carrier: Literal["emnify", "aeradmin", "iot-accelerator"] = Field(
        default="emnify", description="carrier to call: `emnify`, `aeradmin` or `iot-accelerator`"
    )
    aeradmin_url: str = Field(default="https://aeradminapi.aeris.com", description="AerAdmin: host of the interface")
    aeradmin_account_id: str = Field(default="", description="AerAdmin: accountID of every call")
    aeradmin_email: str = Field(default="", description="AerAdmin: e-mail address of who asks, in every call")
    aeradmin_api_key: SecretStr | None = Field(
        default=None, description="AerAdmin: API key made in AerPort; never logged, stored or shown"
    )
    aeradmin_calls_per_second: int = Field(
        default=1, ge=1, le=100, description="AerAdmin: no limit is published, so this is a cautious choice"
    )
    aeradmin_concurrency: int = Field(default=1, ge=1, le=16, description="AerAdmin: calls in flight")
    aeradmin_status_words: str = Field(
        default="", description="AerAdmin: more words of deviceStatus, as `word=state, …`, states as plans show them"
    )
    aeradmin_not_activated: Literal["assigned", "refuse"] = Field(
        default="assigned", description="AerAdmin: what result code 1047 means; `refuse`: rows with it are refused"
    )
    aeradmin_assigned_to_billed: bool = Field(
        default=False, description="AerAdmin: 1: the contract lets a new SIM be billed at once, not provisioned first"
    )
    aeradmin_change_method: str = Field(default="", description="AerAdmin: HTTP method of Update Device State")
    aeradmin_change_path: str = Field(
        default="", description="AerAdmin: its path below AerAdmin_WS_5_0, perhaps with `{id}` and `{word}`"
    )
    aeradmin_change_body: str = Field(
        default="", description="AerAdmin: its body as JSON, with `{account} {email} {id_kind} {id} {word}`"
    )
    aeradmin_change_words: str = Field(
        default="", description="AerAdmin: its words, as `state=word, …`, states as plans show them"
    )
    aeradmin_shows_within_s: float = Field(
        default=120.0, ge=0, le=86_400, description="AerAdmin: so long a change may take to show, then it is unknown"
    )
    aeradmin_suspension_fee: str = Field(default="", description="AerAdmin: what suspending costs once; plans show it")
    aeradmin_thresholds: str = Field(
        default="", description="AerAdmin: the contract's thresholds and months, in words; plans show them"
    )
    aeradmin_export: str = Field(default="", description="AerAdmin: CSV export of AerPort that an audit goes by")
    aeradmin_export_iccid: str = Field(default="", description="AerAdmin: the column of that export with the ICCID")
    iot_accelerator_url: str = Field(
        default="https://iot-api.aeris.com", description="IoT Accelerator: host of the interface"
    )
    iot_accelerator_username: str = Field(default="", description="IoT Accelerator: user, an e-mail address")
    iot_accelerator_password: SecretStr | None = Field(
        default=None, description="IoT Accelerator: password; never logged, stored or shown"
    )
    iot_accelerator_company: str = Field(default="", description="IoT Accelerator: company whose fleet is listed")
    iot_accelerator_bulk: int = Field(
        default=1000, ge=1, le=10_000, description="IoT Accelerator: subscriptions in a request; no limit is published"
    )
    iot_accelerator_poll_s: float = Field(
        default=5.0, ge=0.05, le=600, description="IoT Accelerator: seconds between two looks at a request"
    )
    iot_accelerator_shows_within_s: float = Field(
        default=3600.0, ge=0, le=604_800, description="IoT Accelerator: so long a request may take, then it is unknown"
    )
    iot_accelerator_lost_within_s: float = Field(
        default=300.0,
        ge=0,
        le=86_400,
        description="IoT Accelerator: so long a request without an answer is looked for; it is never sent again",
    )
