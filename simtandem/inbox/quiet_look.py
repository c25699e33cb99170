"""Whether a look into the inboxes would do anything: asked before a flow run is started for it."""

from simtandem.inbox.pickup import LANES, open_inbox, without_account
from simtandem.ledger.schedules import Schedules
from simtandem.ledger.store import Ledger
from simtandem.settings import account_names, chosen_account, load


def nothing_to_do(account: str = "", *, urgent: bool = False) -> bool:
    """Whether there is nothing to take, to report, to carry out or to move: for this account, or for every one.

    `urgent`: among the urgent files, and no others.

    Raises what a look would: then one should be made, which reports it.
    """
    named = account or chosen_account()
    return all(_is_quiet(each, urgent=urgent) for each in ([named] if named else account_names()))


def _is_quiet(account: str, *, urgent: bool) -> bool:
    settings = load(account)
    with Ledger.open(settings.ledger(), heads_file=settings.heads_file) as ledger:
        lanes = [Schedules(ledger, settings.account, urgent=lane) for lane in LANES[urgent]]
        quiet = all(open_inbox(settings, each).is_quiet() for each in lanes)
    return quiet and (urgent or not without_account(settings))
