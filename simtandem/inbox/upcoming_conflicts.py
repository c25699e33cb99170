"""What can be seen coming when a file is scheduled: rows of other files that want something else at the same moment."""

import polars as pl

from simtandem.inbox.conflicts import DUE, contradictions
from simtandem.inbox.due_rows import as_due
from simtandem.ledger.schedules import Schedules


def warnings(schedules: Schedules, arrival_id: str) -> list[str]:
    """Sentences for an operator; none where nothing contradicts what this file schedules."""
    own = {each.schedule_id for each in schedules.of_arrival(arrival_id) if each.state.open}
    if not own:
        return []
    moments = [each.effective_at for each in schedules.of_arrival(arrival_id)]
    others = schedules.open_at(moments)
    if {each.schedule_id for each in others} == own:
        return []
    found = contradictions(
        pl.concat([pl.DataFrame(schema=DUE), *(as_due(each, schedules.rows(each.schedule_id)) for each in others)])
    )
    clashing = found.filter(pl.col("schedule_id").is_in(list(own)))
    if clashing.is_empty():
        return []
    counter = found.filter(~pl.col("schedule_id").is_in(list(own)))["schedule_id"].unique().sort().to_list()
    schedule_id, row, reason = clashing.row(0)
    told = (
        f"{clashing.height:,} rows contradict other schedules ({', '.join(counter[:5])}), the first: "
        f"row {row} {reason}. Neither is carried out unless one is cancelled: "
        f"simtandem schedule cancel {schedule_id}, or the other."
    )
    return [told]
