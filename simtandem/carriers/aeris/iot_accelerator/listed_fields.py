"""The fields of the IoT Accelerator's list of subscriptions that a selection may name: those that every item has."""

from collections.abc import Sequence

import polars as pl

from simtandem.carriers.aeris.iot_accelerator.response_mapping import Subscription
from simtandem.selection.fields import FieldKind, Fields, ListedField
from simtandem.selection.selection import Selection

FIELDS = Fields(
    "iot-accelerator",
    (
        ListedField(name="iccid", kind=FieldKind.TEXT, says="the SIM's ICCID, as the platform spells it"),
        ListedField(name="imsi", kind=FieldKind.TEXT, says="its IMSI"),
        ListedField(name="msisdn", kind=FieldKind.TEXT, says="its MSISDN"),
        ListedField(name="sim_status", kind=FieldKind.SIM_STATUS, says="the subscription's state"),
    ),
)


def judged(selection: Selection, subscriptions: Sequence[Subscription], states: pl.Series) -> pl.Series:
    """Whether each subscription is selected. `states` are theirs as the lifecycle calls them."""
    texts = {name: [getattr(one, name) or None for one in subscriptions] for name in ("iccid", "imsi", "msisdn")}
    shown = pl.DataFrame(texts, dict.fromkeys(texts, pl.String)).with_columns(sim_status=states.cast(pl.String))
    conditions = shown.select(selection.judged(shown.columns))
    return conditions.select(selection.selects()).to_series()
