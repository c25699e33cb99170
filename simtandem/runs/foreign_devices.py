"""A file that names devices of another account is refused, before anything is planned: both accounts are named.

What an account has, its inventory says. What another one has, the ledger says of devices that simtandem changed there.
An id that this account does not have and another one was seen to have is a mix-up, not a slip of the pen.
"""

import polars as pl

from simtandem.errors import InputError
from simtandem.runs.run import Run


def require_own(run: Run, devices: pl.DataFrame, inventory: pl.DataFrame) -> None:
    """Raise `InputError` where ids that this account does not have are another account's, by the ledger."""
    missing = {
        kind: devices[kind]
        .drop_nulls()
        .unique()
        .filter(~devices[kind].drop_nulls().unique().is_in(inventory[kind].drop_nulls().unique().implode()))
        for kind in ("sim_id", "endpoint_id")
    }
    account = run.settings.account_key
    found = run.ledger.known_of_others(account, missing["sim_id"].to_list(), missing["endpoint_id"].to_list())
    if not found:
        return
    names = sorted({name for name, _, _ in found})
    name, kind, ident = found[0]
    raise InputError(
        f"{len({each[1:] for each in found}):,} of the ids in this list are not of account {account.name} but of "
        f"{' and '.join(names)}, the first: {kind} {ident}, which a run of account {name} changed. Nothing was sent.\n"
        f"A list is for one account: choose it (--account {name}), or take these rows out."
    )
