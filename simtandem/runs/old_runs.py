"""Details of old runs leave the ledger automatically where `SIMTANDEM_ARCHIVE_AFTER_DAYS` says so."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from simtandem.errors import LedgerError
from simtandem.ledger.integrity.prune import prunable
from simtandem.ledger.store import Ledger
from simtandem.ledger.work_lock import work_lock
from simtandem.runs.archiving import archive_run
from simtandem.settings import Settings

log = logging.getLogger(__name__)

_LONGEST_S = 3600.0
"""Begun so long ago, it leaves the rest to the next time."""


def archive_old_runs(ledger: Ledger, settings: Settings, steady: Callable[[], float] = time.monotonic) -> list[str]:
    """Archive runs that ended longer ago than the settings say; the ids of those that were. One process at a time.

    One that can't be archived is reported, and does not keep the others.
    """
    if settings.archive_after_days is None:
        return []
    done, ends = [], steady() + _LONGEST_S
    with work_lock(ledger.database, "archive") as alone:
        old = prunable(ledger, ledger.clock() - timedelta(days=settings.archive_after_days)) if alone else []
        for each in old:
            if steady() >= ends:
                break
            run_id = each.run.record.run_id
            try:
                archive_run(settings, ledger, run_id)
            except LedgerError as error:
                log.warning("Run %s was not archived: %s", run_id, error)
            else:
                done.append(run_id)
    if done:
        log.info(
            "Archived and pruned %d runs, beginning with %s, into %s.", len(done), done[0], settings.archive_folder
        )
    return done
