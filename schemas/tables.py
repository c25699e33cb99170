"""The tables that pass between steps, as pandera models.

Every id is text: an ICCID has 19 digits and would lose some as a number, and other ids have letters.
`row` is the row number as a spreadsheet shows it: the header is row 1, the first device row 2.

Validate on a DataFrame, never on a LazyFrame: on the latter, pandera passes bad data without a word.
"""

import pandera.polars as pa
import polars as pl
from pandera.typing.polars import Series

from schemas.statuses import Action, Cause, Finding, Half, Outcome, Verdict

DIGITS = r"^[0-9]+$"
ID = r"^[0-9A-Za-z_-]+$"
"""What any carrier's id of a SIM or an endpoint looks like; which kinds one has is in its `Lifecycle`."""
ICCID = r"^[0-9]{19,20}$"
_MOMENT = {"time_unit": "ms", "time_zone": "UTC"}


class Table(pa.DataFrameModel):
    """A table whose columns are exactly those named, of exactly those types."""

    class Config:
        """No other columns, and nothing converted on the way."""

        strict = True
        coerce = False


class Devices(Table):
    """What an operator asks for: one usable input row each, at least one of the three ids and one of the wishes given.

    `owners` is a text as in `simtandem.domain.ownership`. `named_as` is the id by which an earlier run's list named the
    device, where these ids are from its record.
    """

    row: Series[pl.Int64] = pa.Field(ge=2, unique=True)
    sim_id: Series[pl.String] = pa.Field(nullable=True, str_matches=ID)
    endpoint_id: Series[pl.String] = pa.Field(nullable=True, str_matches=ID)
    iccid: Series[pl.String] = pa.Field(nullable=True, str_matches=ICCID)
    desired: Series[pl.String] = pa.Field(nullable=True)
    owners: Series[pl.String] = pa.Field(nullable=True)
    named_as: Series[pl.String] | None = pa.Field(nullable=True)


class Rejected(Table):
    """Input rows that can't be used, one line each: where, what stood there, and why it won't do."""

    row: Series[pl.Int64] = pa.Field(ge=2, unique=True)
    column: Series[pl.String]
    value: Series[pl.String]
    reason: Series[pl.String]


class Repeats(Table):
    """Input rows that ask again for what row `same_as` asks; the device is changed once."""

    row: Series[pl.Int64] = pa.Field(ge=2, unique=True)
    same_as: Series[pl.Int64] = pa.Field(ge=2)


class Inventory(Table):
    """What the carrier holds: one device each. Without endpoint, or endpoint without SIM: those columns are null."""

    sim_id: Series[pl.String] = pa.Field(nullable=True, str_matches=ID)
    iccid: Series[pl.String] = pa.Field(nullable=True)
    sim_status: Series[pl.String] = pa.Field(nullable=True)
    endpoint_id: Series[pl.String] = pa.Field(nullable=True, str_matches=ID)
    endpoint_status: Series[pl.String] = pa.Field(nullable=True)


class Owners(Table):
    """Whose a SIM is: organisations' ids, null where there is none."""

    sim_id: Series[pl.String] = pa.Field(unique=True, str_matches=ID)
    customer_org_id: Series[pl.String] = pa.Field(nullable=True, str_matches=DIGITS)
    reseller_org_id: Series[pl.String] = pa.Field(nullable=True, str_matches=DIGITS)
    issuer_org_id: Series[pl.String] = pa.Field(nullable=True, str_matches=DIGITS)


class Plan(Table):
    """What is to be done for each usable input row, repeats included, sorted by `row`.

    `sim_step` and `endpoint_step` say which halves get a call, `first` which of the two halves goes first. `*_after` is
    where the halves should be in the end (null where the row is refused or that half does not exist). `owners_*` are
    texts as in `simtandem.domain.ownership`, null where no owner is asked for; owners change in the SIM's step.
    `desired` is null where the row asks for owners alone. `named_as` is the id in the list, where the carrier has
    another one for that SIM; else null.
    """

    row: Series[pl.Int64] = pa.Field(ge=2, unique=True)
    sim_id: Series[pl.String] = pa.Field(nullable=True)
    iccid: Series[pl.String] = pa.Field(nullable=True)
    endpoint_id: Series[pl.String] = pa.Field(nullable=True)
    sim_before: Series[pl.String] = pa.Field(nullable=True)
    endpoint_before: Series[pl.String] = pa.Field(nullable=True)
    desired: Series[pl.String] = pa.Field(nullable=True)
    sim_after: Series[pl.String] = pa.Field(nullable=True)
    endpoint_after: Series[pl.String] = pa.Field(nullable=True)
    owners_before: Series[pl.String] = pa.Field(nullable=True)
    owners_after: Series[pl.String] = pa.Field(nullable=True)
    sim_step: Series[pl.Boolean]
    endpoint_step: Series[pl.Boolean]
    first: Series[pl.String] = pa.Field(nullable=True, isin=[*Half])
    action: Series[pl.String] = pa.Field(isin=[*Action])
    reason: Series[pl.String]
    newly_billed: Series[pl.Boolean]
    same_as: Series[pl.Int64] = pa.Field(nullable=True)
    named_as: Series[pl.String] = pa.Field(nullable=True)


class Outcomes(Table):
    """How planned steps ended, one line a step."""

    row: Series[pl.Int64] = pa.Field(ge=2)
    half: Series[pl.String] = pa.Field(isin=[*Half])
    outcome: Series[pl.String] = pa.Field(isin=[*Outcome])
    attempts: Series[pl.Int64] = pa.Field(ge=0)
    http_status: Series[pl.Int64] = pa.Field(nullable=True)
    error: Series[pl.String]


class Results(Table):
    """What became of every input row, rejected ones included, sorted by `row`.

    `before` and `after` are the pair's statuses. `owners` are those that were asked for, with what they were and are;
    null where nothing was asked. `named_as` is as in `Plan`.
    """

    row: Series[pl.Int64] = pa.Field(ge=2, unique=True)
    sim_id: Series[pl.String] = pa.Field(nullable=True)
    iccid: Series[pl.String] = pa.Field(nullable=True)
    endpoint_id: Series[pl.String] = pa.Field(nullable=True)
    desired: Series[pl.String] = pa.Field(nullable=True)
    before: Series[pl.String]
    after: Series[pl.String]
    sim_outcome: Series[pl.String] = pa.Field(nullable=True, isin=[*Outcome])
    endpoint_outcome: Series[pl.String] = pa.Field(nullable=True, isin=[*Outcome])
    verdict: Series[pl.String] = pa.Field(isin=[*Verdict])
    reason: Series[pl.String]
    attempts: Series[pl.Int64] = pa.Field(ge=0)
    http_status: Series[pl.Int64] = pa.Field(nullable=True)
    error: Series[pl.String]
    owners: Series[pl.String] = pa.Field(nullable=True)
    owners_before: Series[pl.String] = pa.Field(nullable=True)
    owners_after: Series[pl.String] = pa.Field(nullable=True)
    named_as: Series[pl.String] = pa.Field(nullable=True)


class Events(Table):
    """Events of the carrier, one line each, those of types nobody knows as well. `name` is the type in words.

    `at` is null where the carrier's text for it can't be read; `source` is one of `schemas.event_types.EventSource`.
    """

    event_id: Series[pl.String] = pa.Field(unique=True)
    at: Series[pl.Datetime] = pa.Field(nullable=True, dtype_kwargs=_MOMENT)
    type: Series[pl.Int64]
    name: Series[pl.String]
    source: Series[pl.Int64] = pa.Field(nullable=True)
    description: Series[pl.String]
    user: Series[pl.String] = pa.Field(nullable=True)
    sim_id: Series[pl.String] = pa.Field(nullable=True, str_matches=ID)
    iccid: Series[pl.String] = pa.Field(nullable=True)
    endpoint_id: Series[pl.String] = pa.Field(nullable=True, str_matches=ID)


class Managed(Table):
    """Where simtandem last put each device, one line a SIM.

    `desired`, `sim_status` and `endpoint_status` are null where the last run left the device partly changed: then
    nothing is expected of it. `at` is when it was put there, in run `run_id` by its row `row`.
    """

    sim_id: Series[pl.String] = pa.Field(unique=True, str_matches=ID)
    endpoint_id: Series[pl.String] = pa.Field(nullable=True)
    desired: Series[pl.String] = pa.Field(nullable=True)
    sim_status: Series[pl.String] = pa.Field(nullable=True)
    endpoint_status: Series[pl.String] = pa.Field(nullable=True)
    at: Series[pl.Datetime] = pa.Field(dtype_kwargs=_MOMENT)
    run_id: Series[pl.String]
    row: Series[pl.Int64]


class Steps(Table):
    """Halves that simtandem changed, or may have: whose id, to what, when, and by which row of which run."""

    half: Series[pl.String] = pa.Field(isin=[*Half])
    ident: Series[pl.String] = pa.Field(str_matches=ID)
    after: Series[pl.String]
    at: Series[pl.Datetime] = pa.Field(dtype_kwargs=_MOMENT)
    run_id: Series[pl.String]
    row: Series[pl.Int64]


PAIR = "pair"
"""In place of a half: the SIM is the same, and its endpoint is another one."""


class Changes(Table):
    """Halves that had one status at a first look, at `since`, and another at a second one, at `seen`.

    Of a `PAIR` the endpoint it had and has stand in place of the statuses, as `endpoint 42` or `no endpoint`.
    """

    half: Series[pl.String] = pa.Field(isin=[*(half.value for half in Half), PAIR])
    ident: Series[pl.String] = pa.Field(str_matches=ID)
    sim_id: Series[pl.String] = pa.Field(nullable=True)
    iccid: Series[pl.String] = pa.Field(nullable=True)
    endpoint_id: Series[pl.String] = pa.Field(nullable=True)
    before: Series[pl.String]
    after: Series[pl.String]
    since: Series[pl.Datetime] = pa.Field(dtype_kwargs=_MOMENT)
    seen: Series[pl.Datetime] = pa.Field(dtype_kwargs=_MOMENT)


class Explained(Changes):
    """Changes with causes. `at` is the time of the event or of simtandem's call; `run_id` and `row` are its."""

    cause: Series[pl.String] = pa.Field(isin=[*Cause])
    at: Series[pl.Datetime] = pa.Field(nullable=True, dtype_kwargs=_MOMENT)
    event_id: Series[pl.String] = pa.Field(nullable=True)
    user: Series[pl.String] = pa.Field(nullable=True)
    run_id: Series[pl.String] = pa.Field(nullable=True)
    row: Series[pl.Int64] = pa.Field(nullable=True)
    explanation: Series[pl.String]


class Findings(Table):
    """What an audit found, one line for each device and kind of finding, sorted by kind and device.

    `charged`: the SIM costs money for nothing, null where nobody knows. `repair` is the status that ends the finding,
    null where none does; `remedy` says what to do. `since` is since when it is so, as `known_from` says: the ledger, an
    event, or the audit that saw it first, which may be long after.
    """

    finding: Series[pl.String] = pa.Field(isin=[*Finding])
    sim_id: Series[pl.String] = pa.Field(nullable=True)
    iccid: Series[pl.String] = pa.Field(nullable=True)
    endpoint_id: Series[pl.String] = pa.Field(nullable=True)
    now: Series[pl.String]
    expected: Series[pl.String]
    charged: Series[pl.Boolean] = pa.Field(nullable=True)
    since: Series[pl.Datetime] = pa.Field(nullable=True, dtype_kwargs=_MOMENT)
    known_from: Series[pl.String]
    repair: Series[pl.String] = pa.Field(nullable=True)
    remedy: Series[pl.String]
    explanation: Series[pl.String]


def empty(table: type[Table]) -> pl.DataFrame:
    """No rows, the right columns, without those that need not be there."""
    columns = table.to_schema().columns
    return pl.DataFrame(schema={name: column.dtype.type for name, column in columns.items() if column.required})
