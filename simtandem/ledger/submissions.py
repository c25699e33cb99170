"""What runs sent to a carrier that shows changes later, and what the carrier said of the requests it took."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select

from schemas.accounts import AccountKey
from simtandem.carriers.protocol import read_ticket_note
from simtandem.ledger.accounts import of_account
from simtandem.ledger.records import SENDING
from simtandem.ledger.store import Ledger
from simtandem.ledger.tables import answers, calls, runs


@dataclass(frozen=True, slots=True)
class Sent:
    """A call in the record: a change, or a look at a request. `ticket` is empty where no answer named one."""

    run_id: str
    at: datetime
    path: str
    body: str | None
    change: bool
    ticket: str
    ended: bool


def sent_changes(ledger: Ledger, account: AccountKey, since: datetime) -> list[Sent]:
    """The changes that runs sent to a carrier since then and that it did not refuse, and every look at a request."""
    return ledger.database.reading(lambda connection: _read(connection, account, since))


def _read(connection: Connection, account: AccountKey, since: datetime) -> list[Sent]:
    taken = or_(answers.c.status.is_(None), answers.c.status.between(200, 299), answers.c.status >= 500)
    query = (
        select(calls.c.run_id, calls.c.at, calls.c.path, calls.c.body, calls.c.purpose, answers.c.request_id)
        .select_from(calls.outerjoin(answers))
        .where(calls.c.run_id.in_(select(runs.c.run_id).where(of_account(account), runs.c.kind.in_(SENDING))))
        .where(calls.c.at >= since)
        .where(
            or_(
                (calls.c.purpose == "change") & or_(taken, answers.c.status == 408),
                answers.c.request_id.like("ticket %"),
            )
        )
        .order_by(calls.c.at, calls.c.call_id)
    )
    return [
        Sent(
            each.run_id,
            each.at,
            each.path,
            each.body,
            each.purpose == "change",
            *read_ticket_note(each.request_id or ""),
        )
        for each in connection.execute(query)
    ]
