"""What a run is asked to do, as it is given on the command line, in a deployment or in a form.

The model is also the form that Prefect's UI shows: titles, descriptions, bounds and positions are what people read, and
what is checked in the browser before a run exists.
"""

import re
from datetime import date
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from schemas.plain_errors import PlainModel, problem
from schemas.statuses import Target

LONGEST_PASTE = 200_000
"""Characters of a list pasted into a form, about 5,000 devices. Prefect takes parameters of half a megabyte at most."""


_LONGEST_NAME = 100
_NO_CREDENTIALS = r"^(?!\s*[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]*@)"
"""What a form's text matches unless it is an address with a user in it: refused before it is kept anywhere."""


class Mode(StrEnum):
    """How far a run goes."""

    PLAN = "plan"
    APPLY = "apply"


class Wish(StrEnum):
    """The status asked for in a form; rows with a status of their own keep theirs."""

    AS_IN_FILE = "as in the file"
    ACTIVATED = Target.ACTIVATED.value
    SUSPENDED = Target.SUSPENDED.value
    FACTORY_TEST = Target.FACTORY_TEST.value
    PROVISIONED = Target.PROVISIONED.value
    DEACTIVATED = Target.DEACTIVATED.value


def _at(position: int) -> dict[str, JsonValue]:
    return {"position": position}


class BulkUpdate(PlainModel):
    """Bring the devices of a CSV to a status, SIM and endpoint together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(
        title="Device CSV",
        description="The name of a list in one of the worker's folders for lists, an https address, or the list itself "
        "pasted here, header line first, such as sim_id,status (endpoint_id and iccid will do, too). At most 200,000 "
        "characters, about 5,000 devices. No address with a user, password or token in it.",
        min_length=1,
        max_length=LONGEST_PASTE,
        json_schema_extra={**_at(0), "pattern": _NO_CREDENTIALS},
    )
    to: Wish = Field(
        default=Wish.AS_IN_FILE,
        title="Status",
        description="What devices without a status of their own in the list should become.",
        json_schema_extra=_at(1),
    )
    mode: Mode = Field(
        default=Mode.PLAN,
        title="Mode",
        description="plan: compare and show, change nothing. apply: change the devices.",
        json_schema_extra=_at(2),
    )
    ask_first: bool = Field(
        default=False,
        title="Ask before sending",
        description="Wait for someone's approval of the plan. A plan beyond the safety limits waits in any case.",
        json_schema_extra=_at(3),
    )
    requested_by: str = Field(
        default="",
        max_length=100,
        title="Who asks",
        description="Your name. The record shows it as you give it. Needed where another person has to approve "
        "(SIMTANDEM_FOUR_EYES).",
        json_schema_extra=_at(4),
    )
    approval_hours: int = Field(
        default=24,
        ge=1,
        le=720,
        title="Approval within (hours)",
        description="After that the run fails, and nothing was sent.",
        json_schema_extra=_at(5),
    )
    batch_size: int = Field(
        default=500,
        ge=1,
        le=2000,
        title="Batch size",
        description="Devices that are changed together, 1 to 2,000.",
        json_schema_extra=_at(6),
    )
    plan_digest: str = Field(
        default="",
        title="Plan digest",
        description="Leave empty, or copy it from a plan: then only that plan is carried out, regardless of what "
        "someone approves.",
        json_schema_extra=_at(7),
    )
    accept_large: bool = Field(
        default=False,
        title="Accept a large plan",
        description="Continue beyond the safety limits without asking. In a run that waits for an approval this does "
        "nothing: the approver decides.",
        json_schema_extra=_at(8),
    )
    change_owners: bool = Field(
        default=False,
        title="Change owners",
        description="Needed where the list has customer_org_id, reseller_org_id or issuer_org_id: not everybody can "
        "undo that. In a run that waits for an approval, the approver has to switch it on as well.",
        json_schema_extra=_at(9),
    )
    account: str = Field(
        default="",
        title="Account",
        description="Leave empty, or name one of the settings file, where it has several. A retry or an undo is of the "
        "account of the earlier run.",
        json_schema_extra=_at(10),
    )
    retry_of: str = Field(
        default="",
        title="Retry of",
        description="Leave empty, or name an earlier run to try again what it left open; the CSV is not read then.",
        json_schema_extra=_at(11),
    )
    undo_of: str = Field(
        default="",
        title="Undo of",
        description="Leave empty, or name an earlier run to put its devices back; the CSV is not read then.",
        json_schema_extra=_at(12),
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nothing(cls, given: Any) -> Any:
        """None stands for the default. Runs that wait since an earlier version have an empty `prepared_run`."""
        if not isinstance(given, dict):
            return given
        kept = {name: value for name, value in given.items() if value is not None}
        return {name: value for name, value in kept.items() if (name, value) != ("prepared_run", "")}

    @property
    def target(self) -> Target | None:
        """The status for rows without one; None where every row has its own."""
        return None if self.to is Wish.AS_IN_FILE else Target(self.to.value)

    @property
    def pasted(self) -> bool:
        """Whether `file` is the list itself."""
        return "\n" in self.file.strip()

    @property
    def list_name(self) -> str:
        """What the list is called: a file's name without its folder, an address' without host and query."""
        if self.pasted:
            return "a pasted list"
        name = PurePosixPath(re.split(r"[?#]", self.file.strip())[0] if "://" in self.file else self.file.strip()).name
        return "".join(sign if sign.isprintable() else "_" for sign in name[-_LONGEST_NAME:])


class ReportFormat(StrEnum):
    """What a report can be written as."""

    HTML = "html"
    XLSX = "xlsx"
    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


class AuditReport(PlainModel):
    """Report on all runs of a period: by default, of the last calendar month."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: date | None = Field(
        default=None,
        title="From",
        description="First day, in UTC. Empty: the last calendar month.",
        json_schema_extra=_at(0),
    )
    until: date | None = Field(
        default=None, title="Until", description="Last day, in UTC. Empty: today.", json_schema_extra=_at(1)
    )
    formats: list[ReportFormat] = Field(
        default=[ReportFormat.HTML, ReportFormat.XLSX],
        min_length=1,
        title="Formats",
        description="One file or folder each, all with the same numbers.",
        json_schema_extra=_at(2),
    )
    account: str = Field(
        default="",
        title="Account",
        description="Leave empty, or name one of the settings file, where it has several.",
        json_schema_extra=_at(3),
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until and (self.since is None or self.since > self.until):
            raise problem("the last day needs a first day, on or before it")
        return self
