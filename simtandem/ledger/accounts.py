"""Of which account a run was. Runs that were recorded before accounts had names were of `default`."""

from sqlalchemy import ColumnElement, Connection, and_, func, select, true

from schemas.accounts import DEFAULT, AccountKey
from simtandem.ledger.tables import runs

ACCOUNT: ColumnElement[str] = func.coalesce(runs.c.account, DEFAULT)
"""The name of a run's account."""


def of_account(account: AccountKey) -> ColumnElement[bool]:
    """Whether a run was of this account, however its host was spelled when that was recorded."""
    return and_(ACCOUNT.in_([account.name]), func.lower(runs.c.carrier_host).in_(account.spellings))


def named(account: str) -> ColumnElement[bool]:
    """Whether a run was of the account of this name, at whichever host; without a name, of any."""
    return ACCOUNT.in_([account]) if account else true()


def account_of(connection: Connection, run_id: str) -> AccountKey:
    """The account that a run was of."""
    query = select(ACCOUNT, runs.c.carrier_host).where(runs.c.run_id == run_id)
    return AccountKey(*(connection.execute(query).one_or_none() or (DEFAULT, "")))
