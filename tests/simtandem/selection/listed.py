"""Fields of a made-up listing, and selections of them."""

from datetime import date

from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.selection.fields import FieldKind, Fields, ListedField
from simtandem.selection.selection import Selection

TODAY = date(2026, 3, 31)
FIELDS = Fields(
    "emnify",
    (
        ListedField(name="name", kind=FieldKind.TEXT, says="its name"),
        ListedField(name="iccid", kind=FieldKind.TEXT, says="its ICCID", digits=19),
        ListedField(name="tag", kind=FieldKind.TAGS, says="its tags", aliases=("tags",)),
        ListedField(name="sim_status", kind=FieldKind.SIM_STATUS, says="its SIM's status"),
        ListedField(name="endpoint_status", kind=FieldKind.ENDPOINT_STATUS, says="its endpoint's status"),
        ListedField(name="activation_date", kind=FieldKind.DATE, says="when"),
        ListedField(name="heard", kind=FieldKind.DATE, says="its newest moment in a log", days_known=29),
        ListedField(name="sim_id", kind=FieldKind.NUMBER, says="its id"),
    ),
)
NAMES = [each.name for each in FIELDS.fields]


def selecting(text: str) -> Selection:
    return Selection.of(text, FIELDS, EMNIFY, TODAY)
