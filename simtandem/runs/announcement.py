"""What is about to be sent, for those who show how far a run is."""

import polars as pl

from schemas.statuses import Action
from simtandem.domain.plan import calls_needed
from simtandem.progress import ProgressHooks, Sending
from simtandem.runs.run import Run


def announce(hooks: ProgressHooks, run: Run, plan: pl.DataFrame) -> None:
    """Report of how many devices changes are about to be sent, and with how many calls at least."""
    changes = plan.filter(pl.col("action") == Action.CHANGE)
    hooks.applies(
        Sending(
            devices=changes.height,
            sim_steps=int(changes["sim_step"].sum()),
            endpoint_steps=int(changes["endpoint_step"].sum()),
            calls=calls_needed(plan, run.request.batch_size, run.lifecycle),
        )
    )
