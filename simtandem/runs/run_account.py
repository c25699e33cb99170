"""The account of an earlier run, opened again by its name: a retry, an undo and a report are of that one."""

from collections.abc import Collection

from simtandem.errors import InputError
from simtandem.ledger.records import RunKind, RunRecord
from simtandem.ledger.store import Ledger
from simtandem.settings import Settings, chosen_account, load, load_home


def reopened(run_id: str, kinds: Collection[RunKind] = tuple(RunKind)) -> Settings:
    """The settings of the account that the run with this id, or the beginning of it, was of.

    Raises `InputError` where another account is named, or the settings file does not have that one any more.
    """
    return load(account_of_run(load_home(), run_id, chosen_account(), kinds))


def account_of_run(home: Settings, run_id: str, named: str, kinds: Collection[RunKind] = tuple(RunKind)) -> str:
    """The account that a run was of, by the ledger of this home. Raises `InputError` where `named` is another one."""
    with Ledger.open(home.ledger(), heads_file=home.heads_file) as ledger:
        record = ledger.run(run_id, kinds=kinds, account=named).record
    if named not in ("", record.account):
        raise InputError(
            f"Run {record.run_id} was of account {record.account}, and the account named here is {named}. Nothing was "
            f"sent. Use --account {record.account}, or none: the run's own is taken then."
        )
    return record.account


def settings_to_report(record: RunRecord) -> Settings:
    """The settings of a run's account; those of the home where the settings file does not have it any more."""
    try:
        return load(record.account)
    except InputError:
        return load_home()
