"""Look into the inbox, take and schedule what is new, carry out what is due. Quick where there is nothing to do.

What is carried out is decided before each run, by all that is due by then.
"""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.bulk_update import bulk_update
from schemas.parameters import Wish
from tasks.inbox import (
    Desk,
    Looks,
    begin_what_is_due,
    handed,
    open_desk,
    put_files_away,
    record_the_end,
    take_new_files,
)


@flow(name="scheduled-updates", validate_parameters=True)
async def scheduled_updates(to: Wish = Wish.AS_IN_FILE, account: str = "", *, urgent: bool = False) -> State[Any]:
    """Take the CSVs of the inbox (SIMTANDEM_INBOX), and bring devices to their status when it is time.

    Args:
        to: The status for rows without one of their own.
        account: Leave empty for all accounts of the settings file, or name one.
        urgent: Only look into the folder urgent of the inbox. Any other look does so first.

    """
    looks = Looks(account, urgent=urgent)
    for each in looks.accounts:
        with looks.of(each) as desks:
            for lane in looks.lanes:
                async with open_desk(each, urgent=lane) as desk:
                    desks.append(desk)
                    await look(desk, to)
    return looks.state()


async def look(desk: Desk, to: Wish) -> None:
    """The steps for one account, in order."""
    await take_new_files(desk, to)
    while (began := await begin_what_is_due(desk)) is not None:
        with handed(began):
            await desk.hear(began, await bulk_update(began.request, return_state=True))
        await record_the_end(desk, began)
    await put_files_away(desk)
