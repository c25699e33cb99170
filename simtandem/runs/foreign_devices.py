"""A file that names devices of another account is refused, before anything is planned: both accounts are named.

What an account has, its inventory says. What another one has, the ledger says of devices that simtandem changed there.
An id that this account does not have and another one was seen to have is a mix-up, not a slip of the pen.
"""

import polars as pl

from simtandem.carriers.protocol import Listing
from simtandem.errors import InputError
from simtandem.runs.run import Run

_KINDS = ("sim_id", "endpoint_id", "iccid")


def require_own(run: Run, devices: pl.DataFrame, listing: Listing) -> None:
    """Raise `InputError` where ids that this account does not have are another account's, by the ledger."""
    account = run.settings.account_key
    shown = listing.inventory.filter(~pl.col("sim_id").is_in(list(listing.assumed)).fill_null(value=False))
    if missing(devices, shown).is_empty():
        return
    found = foreign(devices, shown, run.ledger.known_of_others(account))
    if found.is_empty():
        return
    names = found["account"].unique().sort()
    name, kind, ident = found.row(0)
    count = found.select("kind", "ident").n_unique()
    raise InputError(
        f"{count:,} of the ids in this list {'is' if count == 1 else 'are'} not of account {account.name} but "
        f"of {' and '.join(names)}, the first: {kind} {ident}, which a run of account {name} changed. "
        f"Nothing was sent.\nA list is for one account: choose it (--account {name}), or take these rows out."
    )


def foreign(devices: pl.DataFrame, inventory: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """The ids of a list that are not in the inventory but another account's: `account`, `kind`, `ident`.

    `others` is as `Ledger.known_of_others` gives it. In the order of the list; an id of two accounts is there twice.
    """
    seen = _long(others, "account").select("account", "number", "sort").unique(maintain_order=True)
    return (
        missing(devices, inventory)
        .join(seen, on=["sort", "number"], maintain_order="left_right")
        .select("account", "kind", "ident")
    )


def missing(devices: pl.DataFrame, inventory: pl.DataFrame) -> pl.DataFrame:
    """The ids of a list that are not in the inventory, each once: `kind`, `ident`, and what they are compared by."""
    asked = _long(devices).unique(["sort", "number"], maintain_order=True)
    return asked.join(_long(inventory), on=["sort", "number"], how="anti", maintain_order="left")


def _long(table: pl.DataFrame, *beside: str) -> pl.DataFrame:
    """A line for each id.

    A SIM may be named by its ICCID at one carrier and have a number at another, and an ICCID comes with its check digit
    or without: so what looks like one is compared as one, by its first 19 digits.
    """
    lines = table.unpivot(on=_KINDS, index=beside, variable_name="kind", value_name="ident").drop_nulls("ident")
    iccid = (pl.col("kind") == "iccid") | pl.col("ident").str.contains(r"^[0-9]{19,20}$")
    return lines.with_columns(
        sort=pl.when(iccid).then(pl.lit("iccid")).otherwise("kind"),
        number=pl.when(iccid).then(pl.col("ident").str.slice(0, 19)).otherwise("ident"),
    )
