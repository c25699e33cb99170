"""Whose a half is, by what was sent of it after a run: that of the run which sent it last and was not undone. Pure.

An undo takes back the claim of the run that it undoes, and its own with it. Of an undo that was never answered nobody
knows whether it did that: then where the device is now decides. An undo of the very run is no claim against it: it is
how far that has been taken back.
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from schemas.statuses import Half

SENT = pl.Schema({"half": pl.String, "ident": pl.String, "run_id": pl.String, "at": pl.String})
"""Changes of halves that were sent: by which run, and when, as text that sorts by time."""

LATER = pl.Schema([*SENT.items(), ("undoes", pl.String), ("sure", pl.Boolean), ("to", pl.String)])
"""As `SENT`, with the run that the sender was an undo of (null if it was none), whether the sending is answered, and
the status that an undo sent the half to."""

_LAST = {
    **dict.fromkeys(("claimed", "last", "back", "back_run"), pl.String),
    "back_sure": pl.Boolean,
}


class Sender(NamedTuple):
    """A run that sent a half; `undoes`, `sure` and `to` as in `LATER`."""

    run_id: str
    undoes: str | None
    sure: bool
    to: str | None = None


def add_claims(changed: pl.DataFrame, run_id: str | None, sent: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    """Add to devices (`*_id` of both halves) who sent them after a run.

    `*_sent`: whether the run itself sent that half, by `sent` (`SENT`). `later_run`: the run that has a claim to either
    half now, null where none has. `since_run`: whom to name where the device is not as the run left it, null where no
    other run sent it since. `*_back` is the status that an undo of the run itself sent a half to, `*_back_sure` whether
    that is known, `back_run` that undo. A half that the run did not send counts from when it sent the other. `later` is
    a `LATER` table of other runs.
    """
    joined = changed
    for half in Half:
        own = sent.filter(pl.col("half") == half).group_by("ident").agg(pl.col("at").max().alias(f"{half}_own"))
        joined = joined.join(own.rename({"ident": f"{half}_id"}), on=f"{half}_id", how="left")
    for half, partner in zip(Half, reversed(Half), strict=True):
        since = joined.select(f"{half}_id", since=pl.coalesce(f"{half}_own", f"{partner}_own")).unique(f"{half}_id")
        senders = later.filter(pl.col("half") == half).join(since, left_on="ident", right_on=f"{half}_id")
        joined = joined.join(
            _judged(senders.filter(pl.col("at") > pl.col("since")), run_id, half), on=f"{half}_id", how="left"
        )
    return joined.with_columns(
        *(pl.col(f"{half}_own").is_not_null().alias(f"{half}_sent") for half in Half),
        later_run=pl.coalesce(f"{half}_claimed" for half in Half),
        since_run=pl.coalesce(f"{half}_last" for half in Half),
        back_run=pl.coalesce(f"{half}_back_run" for half in Half),
    )


def _judged(senders: pl.DataFrame, run_id: str | None, half: Half) -> pl.DataFrame:
    """Of each half who claims it and whom to name, from all that was sent of it."""
    each = senders.sort("at").group_by("ident", maintain_order=True).agg(pl.struct(*Sender._fields))
    lines = []
    for ident, told in each.iter_rows():
        known = [Sender(**one) for one in told]
        back = taken_back(known, run_id)
        lines.append((ident, *judge(known, run_id), *((back.to, back.run_id, back.sure) if back else (None,) * 3)))
    names = {f"{half}_id": pl.String, **{f"{half}_{name}": kind for name, kind in _LAST.items()}}
    return pl.DataFrame(lines, schema=names, orient="row")


def judge(senders: Sequence[Sender], run_id: str | None) -> tuple[str | None, str | None]:
    """Who claims a half that these sent, oldest first, after the run; and whom to name where it is elsewhere."""
    sure = _claimant([one for one in senders if one.undoes is None or one.sure], run_id)
    others = [one.run_id for one in senders if not _undoes(one, run_id)]
    return _claimant(senders, run_id), sure or (others[-1] if others else None)


def taken_back(senders: Sequence[Sender], run_id: str | None) -> Sender | None:
    """The last undo of the run among these that no later undo took back; not `sure` where one perhaps did."""
    undone, doubtful = set[str](), set[str]()
    for one in reversed(senders):
        if one.run_id in undone:
            continue
        if _undoes(one, run_id):
            return one._replace(sure=one.sure and one.run_id not in doubtful)
        if one.undoes is not None:
            (undone if one.sure else doubtful).add(one.undoes)
    return None


def _undoes(one: Sender, run_id: str | None) -> bool:
    return run_id is not None and one.undoes == run_id


def _claimant(senders: Sequence[Sender], run_id: str | None) -> str | None:
    """The last sender that no later undo took back and that is no undo of an earlier one among these, or of the run."""
    undone = set[str]()
    for at in range(len(senders) - 1, -1, -1):
        one = senders[at]
        if one.run_id in undone or _undoes(one, run_id):
            continue
        if one.undoes is not None and any(one.undoes == before.run_id for before in senders[:at]):
            undone.add(one.undoes)
            continue
        return one.run_id
    return None
