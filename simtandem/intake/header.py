"""Which column holds what. Only names that can mean nothing else are taken: a wrong guess changes live, billed SIMs.

The carrier's own device lists have a column with the status a SIM has now ("SIM Status"). Read as a wish, it would undo
what the operator is about to do, so the wish has few names, and any other column about a status is left alone.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.organisations import OwnerField
from simtandem.domain.device_ids import IdKind
from simtandem.errors import InputError, UnrecognisedInput
from simtandem.text.escaping import visible

IDS = ("sim_id", "endpoint_id", "iccid")
FIELDS = (*IDS, "status")
OWNERS = tuple(str(field) for field in OwnerField)
"""The columns that ask for another owner."""
EFFECTIVE_AT = "effective_at"
"""The column that says when. It is read only where that can be heeded."""

_ALIASES = {
    "simid": "sim_id",
    "sim": "sim_id",
    "endpointid": "endpoint_id",
    "endpoint": "endpoint_id",
    "deviceid": "endpoint_id",
    "iccid": "iccid",
    "iccidwithluhn": "iccid",
    "status": "status",
    "desired": "status",
    "desiredstatus": "status",
    "target": "status",
    "targetstatus": "status",
    "newstatus": "status",
    "customerorgid": OwnerField.CUSTOMER,
    "resellerorgid": OwnerField.RESELLER,
    "issuerorgid": OwnerField.ISSUER,
    "effectiveat": EFFECTIVE_AT,
    "effectivefrom": EFFECTIVE_AT,
    "effectivedate": EFFECTIVE_AT,
}
ACTION_COLUMNS = {
    "action": "action",
    "simaction": "action",
    "bic": "bic",
    "batchidentificationcode": "bic",
}
"""The columns of a list of SIM actions besides those of every list."""
_MOST_COLUMNS = 8  # of one field
_NO_MORE: Mapping[str, str] = {}
_NOISE = re.compile(r"[\s_\-\u200b\ufeff]+")
_DATA = re.compile(r"[0-9]+[fF]?|[0-9]+[.,][0-9]+[eE]\+?[0-9]+")


@dataclass(frozen=True, slots=True)
class Source:
    """A column that is read: where it is (from 0), what it holds, and what its header says.

    `kind` is set where it is named after a kind of id that the carrier has.
    """

    index: int
    field: str
    header: str
    kind: IdKind | None = None

    @property
    def key(self) -> str:
        """The column's name in simtandem's tables; headers need not be unique."""
        return f"cell_{self.index}"


def recognised(header: Sequence[str], kinds: Sequence[IdKind] = (), also: Mapping[str, str] = _NO_MORE) -> int:
    """How many columns have a known name."""
    others = {*also, *(_plain(kind.name) for kind in kinds)}
    return sum(_field(name) is not None or _plain(name) in others for name in header)


def find_sources(
    header: Sequence[str], kinds: Sequence[IdKind] = (), also: Mapping[str, str] = _NO_MORE
) -> tuple[Source, ...]:
    """The columns to read, in the order of the file. `also` are names, plainly spelled, and fields besides the usual.

    Where no column is called sim_id or iccid, the one of the first of the carrier's other `kinds` of ids is read as if
    it were called sim_id.
    A field may have several columns, `ICCID` and `ICCID with Luhn` for instance. Raises `InputError` where no column
    identifies a device, two of the columns to read have the very same name, or a field has more columns than any list
    of devices needs.
    """
    sources = tuple(
        Source(index, field, visible(tidy(name)))
        for index, name in enumerate(header)
        if (field := _field(name) or also.get(_plain(name)))
    )
    if not any(source.field in ("sim_id", "iccid") for source in sources):
        sources = tuple(sorted((*sources, *_by_another_id(header, kinds)), key=lambda source: source.index))
    if not any(source.field in (*IDS, "bic") for source in sources):
        raise _no_id(header, [kind.name for kind in kinds] or IDS)
    _limit(sources)
    seen: dict[str, Source] = {}
    for source in sources:
        twin = seen.setdefault(source.header, source)
        if twin is not source:
            message = (
                f"columns {twin.index + 1} and {source.index + 1} are both called '{source.header}'.\n"
                "Nothing was sent. Remove or rename one of them."
            )
            raise InputError(message)
    return sources


def _by_another_id(header: Sequence[str], kinds: Sequence[IdKind]) -> list[Source]:
    """The columns of the first kind of id that has some, but for those that every carrier may have."""
    for kind in kinds:
        if kind.name not in IDS:
            same = [index for index, name in enumerate(header) if _plain(name) == _plain(kind.name)]
            if same:
                return [Source(index, "sim_id", visible(tidy(header[index])), kind) for index in same]
    return []


def _limit(sources: Sequence[Source]) -> None:
    for field in {source.field for source in sources}:
        same = [source.header for source in sources if source.field == field]
        if len(same) > _MOST_COLUMNS:
            message = (
                f"{len(same):,} columns hold the {field}: {listed(same, 3)}; {_MOST_COLUMNS} are read at most.\n"
                "Nothing was sent. Remove or rename those that are not needed."
            )
            raise InputError(message)


def current_statuses(header: Sequence[str], sources: Sequence[Source]) -> list[str]:
    """The columns that are not read because they may show a status of today."""
    read = {source.index for source in sources}
    names = [visible(tidy(name)) for index, name in enumerate(header) if index not in read and tidy(name)]
    return [name for name in names if "status" in name.casefold()]


def listed(names: Sequence[str], limit: int = 10) -> str:
    """Names for a sentence, quoted and cut short."""
    shown = ", ".join(f"'{visible(name[:40])}'" for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def tidy(cell: str) -> str:
    """A header or a first cell without what spreadsheets put around text."""
    bare = cell.strip(" \t\r\n\u00a0\u200b\ufeff")
    wrapped = re.fullmatch(r'="([^"]*)"', bare)
    return (wrapped[1] if wrapped else bare.removeprefix("'")).strip()


def _field(name: str) -> str | None:
    return _ALIASES.get(_plain(name))


def _plain(name: str) -> str:
    return _NOISE.sub("", tidy(name)).casefold()


def _no_id(header: Sequence[str], names: Sequence[str]) -> UnrecognisedInput:
    data = next((cell for cell in header if _DATA.fullmatch(re.sub(r"[\s\-]", "", tidy(cell)))), None)
    if data is not None:
        what, quoted, after = "the first row holds data", f" ({listed([tidy(data)])})", ", not the names of the columns"
        then = "Put a header row on top, for example: iccid,status"
    else:
        what, after = "no column identifies a device", ""
        quoted = f"; the columns are {listed([tidy(cell) for cell in header if tidy(cell)])}"
        then = f"Name one of them {', '.join(names[:-1])}{' or ' if names[1:] else ''}{names[-1]}."
    end = f"{after}.\nNothing was sent. {then}"
    return UnrecognisedInput(f"{what}{quoted}{end}", f"{what}{end}")
