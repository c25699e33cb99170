"""What a run is asked to do, as it is given on the command line, in a deployment or in a form.

The model is also the form that Prefect's UI shows: titles, descriptions, bounds and positions are what people read, and
what is checked in the browser before a run exists.
"""

import re
from datetime import date
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, JsonValue, ValidationInfo, field_validator, model_validator

from schemas.plain_errors import PlainModel, problem
from schemas.statuses import Target
from schemas.waves import WaveCheck, amount, seconds, sizes

LONGEST_PASTE = 200_000
"""Characters of a list pasted into a form, about 5,000 devices. Prefect takes parameters of half a megabyte at most."""


LONGEST_SELECTION = 2_000
"""Characters of a selection."""
LONGEST_WAVES = 1_000
LONGEST_ADDRESS, MOST_FILES = 4_096, 1_000
_LONGEST_NAME = 100
_NO_CREDENTIALS = r"^(?!\s*[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]*@)"
"""What a form's text matches unless it is an address with a user in it: refused before it is kept anywhere."""


_Address = Annotated[
    str, Field(min_length=1, max_length=LONGEST_ADDRESS, json_schema_extra={"pattern": _NO_CREDENTIALS})
]


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
        default="",
        title="Device CSV",
        description="The name of a list in one of the worker's folders for lists, an https address, or the list itself "
        "pasted here, header line first, such as sim_id,status (endpoint_id and iccid will do, too). At most 200,000 "
        "characters, about 5,000 devices. No address with a user, password or token in it. Leave it empty to select "
        "devices by what the carrier shows of them, see Selection.",
        max_length=LONGEST_PASTE,
        json_schema_extra={**_at(0), "pattern": _NO_CREDENTIALS},
    )
    to: Wish = Field(
        default=Wish.AS_IN_FILE,
        title="Status",
        description="What devices without a status of their own in the list should become. Here it is one of these "
        "words; a list, and --to of a command, may also have the carrier's own.",
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
    waves: str = Field(
        default="",
        max_length=LONGEST_WAVES,
        title="Waves",
        description="Leave empty to send everything in one go (or as SIMTANDEM_WAVES says), or write how many devices "
        "go first: 50,500,rest or 1%,10%,rest. After each wave its devices are read again, and the run continues only "
        "if few enough of them are other than asked for.",
        json_schema_extra=_at(7),
    )
    wave_limit: str = Field(
        default="",
        max_length=LONGEST_WAVES,
        title="Limit of a wave",
        description="So many devices of a wave, or such a share of them, may be other than asked for: 5 or 2%. Empty: "
        "SIMTANDEM_WAVE_LIMIT, which is 2% where it is not set.",
        json_schema_extra=_at(8),
    )
    wave_check: WaveCheck = Field(
        default=WaveCheck.NONE,
        title="Check after a wave",
        description="attached: the carrier's events show that devices which the wave activated attach to a network. "
        "no-alerts: they show nothing that blocks one of its devices.",
        json_schema_extra=_at(9),
    )
    wave_wait: str = Field(
        default="10m",
        max_length=LONGEST_WAVES,
        title="Time for the check",
        description="How long a wave is watched, such as 90s, 10m or 2h. Enough devices that attach end it sooner.",
        json_schema_extra=_at(10),
    )
    wave_approval: bool = Field(
        default=False,
        title="Ask between waves",
        description="Pause after each wave but the last, until someone resumes the run here or with `simtandem resume "
        "RUN`. It keeps its worker meanwhile.",
        json_schema_extra=_at(11),
    )
    plan_digest: str = Field(
        default="",
        title="Plan digest",
        description="Leave empty, or copy it from a plan: then only that plan is carried out, regardless of what "
        "someone approves.",
        json_schema_extra=_at(12),
    )
    accept_large: bool = Field(
        default=False,
        title="Accept a large plan",
        description="Continue beyond the safety limits without asking. In a run that waits for an approval this does "
        "nothing: the approver decides.",
        json_schema_extra=_at(13),
    )
    change_owners: bool = Field(
        default=False,
        title="Change owners",
        description="Needed where the list has customer_org_id, reseller_org_id or issuer_org_id: not everybody can "
        "undo that. In a run that waits for an approval, the approver has to switch it on as well.",
        json_schema_extra=_at(14),
    )
    account: str = Field(
        default="",
        title="Account",
        description="Leave empty, or name one of the settings file, where it has several. A retry or an undo is of the "
        "account of the earlier run.",
        json_schema_extra=_at(15),
    )
    retry_of: str = Field(
        default="",
        title="Retry of",
        description="Leave empty, or name an earlier run to try again what it left open; the CSV is not read then.",
        json_schema_extra=_at(16),
    )
    undo_of: str = Field(
        default="",
        title="Undo of",
        description="Leave empty, or name an earlier run to put its devices back; the CSV is not read then.",
        json_schema_extra=_at(17),
    )

    issued_to: str = Field(
        default="",
        max_length=30,
        title="Where nothing goes back",
        description="Leave empty, or name a status (suspended) for an undo's SIMs that can't go back.",
        json_schema_extra=_at(19),
    )
    sheet: str = Field(
        default="",
        max_length=LONGEST_ADDRESS,
        title="Sheet",
        description="Leave empty, or name the sheet of an Excel workbook that has several.",
        json_schema_extra=_at(18),
    )
    where: str = Field(
        default="",
        max_length=LONGEST_SELECTION,
        title="Selection",
        description="Leave empty, or select devices by what the carrier shows of them: tag = 'depot-7' and sim_status "
        "= 'issued'. Other fields: name, service_profile, activation_date, … (docs/selecting.md). Without a list it "
        "needs a status; with a list, only the list's devices for which this holds are changed. What is selected is in "
        "selected.csv, in the run's folder.",
        json_schema_extra=_at(21),
    )
    more_files: tuple[_Address, ...] = Field(
        default=(),
        max_length=MOST_FILES,
        title="More lists",
        description="Leave empty, or name further lists of the same run, as above; each is read in its own way. Every "
        "row then says its file and its row there.",
        json_schema_extra=_at(22),
    )
    urgent: bool = Field(
        default=False,
        title="Urgent",
        description="Send before others, as for stolen SIMs: the run begins beside a run under way, gets the next "
        "calls of the rate limit, and a few are always kept for such runs. Others continue with what is left. On a "
        "Prefect server of your own, and in a schedule, use the deployment bulk-update-urgent to begin beside others.",
        json_schema_extra=_at(20),
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nothing(cls, given: Any) -> Any:
        """None stands for the default. Runs that wait since an earlier version have an empty `prepared_run`."""
        if not isinstance(given, dict):
            return given
        kept = {name: value for name, value in given.items() if value is not None}
        return {name: value for name, value in kept.items() if (name, value) != ("prepared_run", "")}

    @field_validator("file", "where")
    @classmethod
    def _not_blank(cls, text: str) -> str:
        return text if text.strip() else ""

    @field_validator("waves", "wave_limit", "wave_wait")
    @classmethod
    def _readable(cls, text: str, info: ValidationInfo) -> str:
        reads = {"waves": sizes, "wave_limit": amount, "wave_wait": seconds}
        try:
            if text:
                reads[str(info.field_name)](text)
        except ValueError as error:
            raise problem(str(error)) from None
        return text.strip()

    @model_validator(mode="after")
    def _of_some_devices(self) -> Self:
        if not (self.file or self.where or self.retry_of or self.undo_of):
            raise problem("a device list, or a selection of devices, is needed")
        return self

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
        if not self.file:
            return "a selection"
        if self.pasted:
            return "a pasted list"
        name = PurePosixPath(re.split(r"[?#]", self.file.strip())[0] if "://" in self.file else self.file.strip()).name
        others = f" and {len(self.more_files):,} more" if self.more_files else ""
        return "".join(sign if sign.isprintable() else "_" for sign in name[-_LONGEST_NAME:]) + others


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
