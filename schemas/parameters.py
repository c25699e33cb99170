"""What a run is asked to do, as it is given on the command line, in a deployment or in a form."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from schemas.statuses import Target


class Mode(StrEnum):
    """How far a run goes."""

    PLAN = "plan"
    APPLY = "apply"


class BulkUpdate(BaseModel):
    """Bring the devices of a CSV to a status, SIM and endpoint together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(title="Device CSV", description="Path of the CSV, readable where the run happens.", min_length=1)
    to: Target | None = Field(
        default=None, title="Status", description="For rows without a status of their own. Empty: every row has one."
    )
    mode: Mode = Field(
        default=Mode.PLAN, title="Mode", description="plan: compare and show, change nothing. apply: carry it out."
    )
    batch_size: int = Field(default=500, ge=1, le=2000, title="Batch size", description="Pairs in a batch.")
    accept_large: bool = Field(
        default=False, title="Accept a large plan", description="Go on even beyond the safety limits."
    )
    plan_digest: str | None = Field(
        default=None, title="Plan digest", description="Apply only if the plan made now has this digest."
    )
    prepared_run: str | None = Field(
        default=None, title="Prepared run", description="Go on with a run that was read and planned already."
    )
    retry_of: str | None = Field(default=None, title="Retry of", description="The run whose open rows FILE holds.")
