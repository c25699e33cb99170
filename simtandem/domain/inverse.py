"""Turn a run around: what it changed, where that goes back to, and what can't go back. Pure.

Only steps this run is known to have carried out, or has sent without an answer, are turned around. A half that someone
else had changed already stays as it is, and where it was before the run once they have taken that back (`settled`). A
device of which a later run has changed a half belongs to that run until that one is undone. A device goes back only if
it is still where the run left it: to exactly where it was, also where no status asks for that, if the way there is
legal and costs nothing.
"""

from collections.abc import Callable

import polars as pl

from schemas.statuses import Action, Half, Outcome, Verdict
from schemas.tables import Devices, Plan
from simtandem.domain import charge_words
from simtandem.domain.device_lookup import index
from simtandem.domain.last_sender import LATER, SENT, add_claims
from simtandem.domain.lifecycle import Goal, Lifecycle
from simtandem.domain.split_pairs import goal_of, pair
from simtandem.domain.verdicts import as_input

_DEVICE = ["sim_id", "iccid", "endpoint_id"]
_OWNERS = ["owners_was", "owners_left"]
_PLAN = list(Plan.to_schema().columns)
_WAY = ["sim_left", "endpoint_left", "sim_was", "endpoint_was"]
_CHANGES = [
    *("row", "desired", *_DEVICE, "named_as"),
    *(f"{half}_{fact}" for half in Half for fact in ("was", "left", "perhaps", "planned", "back")),
    *(*_OWNERS, "status_moved", "back", "later_run", "since_run", "back_run"),
]


def changed_devices(
    plan: pl.DataFrame,
    outcomes: pl.DataFrame,
    lifecycle: Lifecycle,
    sent: pl.DataFrame | None = None,
    later: pl.DataFrame | None = None,
    run_id: str | None = None,
) -> pl.DataFrame:
    """The devices a run changed, sorted by their row in it, and what a way back has to know of them.

    Columns: `row, desired`, the three ids; of each half `*_was` (to return to), `*_left` (where the run left it),
    `*_perhaps` (nobody knows whether it got that far) and `*_planned` (where the plan saw a half that others had
    changed when the run came to it; null for any other); `owners_was` and `owners_left`, null where none changed;
    `status_moved`; `back`, the status that describes what was, null where none does; `later_run`, `since_run`,
    `back_run` and `*_back` as `last_sender.add_claims` adds them: what an earlier undo of the run is known to have
    taken back counts as left there.

    `sent` (a `SENT` table) is what the run sent: a step of it without an outcome, as a killed run leaves them, was
    perhaps carried out. `later` (a `LATER` table) is what other runs sent, too, and `run_id` the run they are later
    than.
    """
    own = pl.DataFrame(schema=SENT) if sent is None else sent
    others = pl.DataFrame(schema=LATER) if later is None else later
    joined = add_claims(plan.filter(pl.col("action") == Action.CHANGE), run_id, own, others)
    for half in Half:
        steps = outcomes.filter(pl.col("half") == half).unique("row", keep="last", maintain_order=True)
        joined = joined.join(steps.select("row", pl.col("outcome").alias(half)), on="row", how="left")
    judged = joined.with_columns(expr for half in Half for expr in _half(half)).with_columns(*_owners())
    ours = judged.filter(pl.any_horizontal(f"{half}_ours" for half in Half)).with_columns(
        status_moved=pl.any_horizontal(pl.col(f"{half}_was").ne_missing(pl.col(f"{half}_left")) for half in Half),
        back=goal_of("sim_was", "endpoint_was", lifecycle),
    )
    ours = ours.with_columns(expr for half in Half for expr in _taken_back(half))
    return ours.select(_CHANGES).sort("row")


def settled(changes: pl.DataFrame, inventory: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """`changes`, with halves that others had changed as before the run, where an inventory shows them there again."""
    listed = index(inventory)
    now = {Half.SIM: listed.sims, Half.ENDPOINT: listed.endpoints}
    known = changes
    for half in Half:
        ident, status = f"{half}_id", f"{half}_status"
        known = known.join(now[half].select(ident, status), on=ident, how="left")
    known = known.with_columns(
        pl.when(pl.col(f"{half}_planned") == pl.col(f"{half}_status"))
        .then(f"{half}_planned")
        .otherwise(f"{half}_{fact}")
        .alias(f"{half}_{fact}")
        for half in Half
        for fact in ("was", "left")
    )
    return known.with_columns(back=goal_of("sim_was", "endpoint_was", lifecycle)).select(_CHANGES).sort("row")


def sent_elsewhere(changes: pl.DataFrame, goal: Goal, lifecycle: Lifecycle) -> pl.DataFrame:
    """`changes`, with `goal` as where those devices return to whose SIM can't go back to what it was."""
    lost = pl.col("sim_was").is_in(list(lifecycle.without_return)) & pl.col("sim_was").ne_missing(pl.col("sim_left"))
    ends = {"sim_was": goal.sim, "endpoint_was": goal.endpoint, "back": goal.word}
    whole = {name: pl.col(name).is_not_null() | (pl.lit(name) == "back") for name in ends}
    return changes.with_columns(
        *(pl.when(lost & whole[name]).then(pl.lit(end)).otherwise(name).alias(name) for name, end in ends.items()),
        *(pl.when(~lost).then(f"{half}_planned").alias(f"{half}_planned") for half in Half),
    )


def _half(half: Half) -> list[pl.Expr]:
    step, outcome = pl.col(f"{half}_step"), pl.col(half.value)
    sent = pl.col(f"{half}_sent").fill_null(value=False)
    unclear = (
        pl.when(outcome.is_null()).then(sent).otherwise(outcome.is_in([Outcome.UNKNOWN.value, Outcome.ACCEPTED.value]))
    )
    perhaps = step & unclear
    ours = step & ((outcome == Outcome.APPLIED).fill_null(value=False) | unclear)
    there = step & (outcome == Outcome.UNCHANGED).fill_null(value=False)
    before, after = pl.col(f"{half}_before"), pl.col(f"{half}_after")
    return [
        ours.alias(f"{half}_ours"),
        perhaps.alias(f"{half}_perhaps"),
        pl.when(there).then(after).otherwise(before).alias(f"{half}_was"),
        pl.when(there | ours).then(after).otherwise(before).alias(f"{half}_left"),
        pl.when(there).then(before).alias(f"{half}_planned"),
    ]


def _taken_back(half: Half) -> list[pl.Expr]:
    """Where an earlier undo of the run left a half of it, and whose it left the SIM."""
    done = (pl.col(f"{half}_ours") & pl.col(f"{half}_back_sure")).fill_null(value=False)
    unknown = pl.when(pl.col(f"{half}_back_run").is_not_null()).then(f"{half}_was")  # the undo was pruned
    left = [
        pl.when(done).then(f"{half}_back").otherwise(f"{half}_left").alias(f"{half}_left"),
        pl.coalesce(f"{half}_back", unknown).alias(f"{half}_back"),
    ]
    owners = pl.when(done).then("owners_was").otherwise("owners_left").alias("owners_left")
    return [*left, owners] if half is Half.SIM else left


def _owners() -> list[pl.Expr]:
    """Whose the SIM was and whose the run left it, where that differs."""
    differs = pl.col("sim_ours") & pl.col("owners_before").ne_missing(pl.col("owners_after"))
    return [
        pl.when(differs).then(f"owners_{told}").alias(name)
        for told, name in zip(("before", "after"), _OWNERS, strict=True)
    ]


def as_devices(changes: pl.DataFrame) -> pl.DataFrame:
    """The changed devices as a `schemas.tables.Devices` table; `desired` is null where no status describes what was."""
    whole = pl.col("iccid").str.contains(r"^[0-9]{19}$")
    iccid = pl.when(whole).then("iccid").alias("iccid")
    return Devices.validate(
        changes.select(
            "row",
            "sim_id",
            "endpoint_id",
            iccid,
            desired=pl.when("status_moved").then("back"),
            owners="owners_was",
        ).with_columns(changes["named_as"] if changes["named_as"].count() else [])
    )


def invert(plan: pl.DataFrame, changes: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """`plan`, made for `as_devices(changes)`, with everything refused that must not or can't go back, and why.

    Devices that are back already need nothing. Those the carrier's listing does not show keep the plan's own reason.
    """
    known = changes.drop("desired", *_DEVICE, "named_as")
    rows = _restoring(plan.join(known, on="row", how="left"), lifecycle).with_columns(
        found=pl.col("sim_before").is_not_null() | pl.col("endpoint_before").is_not_null(),
        returned=_every_half(lambda half: _is(half, "was")) & _owned("was"),
        as_left=_every_half(_as_left)
        & (_owned("left") | ((pl.col("sim_perhaps") | pl.col("sim_back").is_not_null()) & _owned("was"))),
    )
    kept_from = pl.coalesce(_later(), _moved(lifecycle))
    no_way = pl.when(_by_others() & kept_from.is_not_null()).then(None).otherwise(_no_way_back(lifecycle))
    why = pl.concat_str(no_way, kept_from, separator="; also ", ignore_nulls=True)
    judged = rows.with_columns(
        returned=pl.col("found") & pl.col("returned"),
        why=pl.when(pl.col("found") & ~pl.col("returned") & (why != "")).then(why),
    )
    stays = pl.col("returned") | pl.col("why").is_not_null()
    return judged.with_columns(
        *(pl.when(stays).then(pl.lit(value=False)).otherwise(name).alias(name) for name in _flags()),
        *(_after(what) for what in (*Half, "owners")),
        first=pl.when(~stays).then("first"),
        action=pl.when("returned")
        .then(pl.lit(Action.UNCHANGED.value))
        .when(stays)
        .then(pl.lit(Action.REFUSED.value))
        .otherwise("action"),
        reason=pl.when("returned").then(pl.lit("it is back already")).otherwise(pl.coalesce("why", "reason")),
    ).select(_PLAN)


def _restoring(rows: pl.DataFrame, lifecycle: Lifecycle) -> pl.DataFrame:
    """The rows of devices that no status brings back, with the steps that do; or `barred`, why there is no way."""
    ways = rows.filter(_nameless()).select(*_WAY).unique()
    moves = [
        (*way, move.first, move.refusal or None)
        for way in ways.iter_rows()
        for move in [lifecycle.restore(way[:2], way[2:])]
    ]
    names = dict.fromkeys((*_WAY, "way_first", "barred"), pl.String)
    told = rows.join(pl.DataFrame(moves, schema=names, orient="row"), on=_WAY, how="left", nulls_equal=True)
    restored = (_nameless() & (pl.col("action") != Action.REFUSED)).fill_null(value=False)
    steps = {f"{half}_step": pl.col(f"{half}_step") | ~_is(half, "was") for half in Half}
    values = {
        **{f"{half}_after": pl.col(f"{half}_was") for half in Half},
        **steps,
        "first": pl.col("way_first"),
        "action": pl.lit(Action.CHANGE.value),
    }
    return told.with_columns(pl.when(restored).then(to).otherwise(name).alias(name) for name, to in values.items())


def _nameless() -> pl.Expr:
    """Whether no status describes what a device was."""
    return pl.col("status_moved") & pl.col("back").is_null()


def undo_rows(plan: pl.DataFrame) -> pl.DataFrame:
    """What goes back, in the form of an input file; without what no file can ask for."""
    askable = pl.any_horizontal(pl.col("desired", "owners_after").is_not_null())
    return as_input(plan.filter(pl.col("action") == Action.CHANGE, askable).rename({"owners_after": "owners"}))


def without_wish(results: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    """`results`, without anything asked for where no status describes what was, or where the device is left alone.

    So none of them is among the rows to be tried again; of those that are not back, the reason says what to do.
    """
    nameless = changes.filter(_nameless())["row"].implode()
    refused = pl.col("verdict") == Verdict.REFUSED
    nothing, still_open = pl.col("row").is_in(nameless), ~refused & (pl.col("verdict") != Verdict.IN_SYNC)
    again = pl.format("{}; no status asks for that, so no retry does: undo the run again", "reason")
    return results.with_columns(
        *(pl.when(~(nothing | refused)).then(wish).alias(wish) for wish in ("desired", "owners")),
        reason=pl.when(nothing & still_open).then(again).otherwise("reason"),
    )


def _no_way_back(lifecycle: Lifecycle) -> pl.Expr:
    """Why there is no way back to what the device was, or null."""
    sim = pl.col("sim_was")
    legal = pl.format("{}>{}", "sim_left", sim).is_in([f"{before}>{after}" for before, after in lifecycle.sim_moves])
    final = sim.is_in(list(lifecycle.without_return)) & (sim != pl.col("sim_left")) & ~legal
    off = "to stop its charges, {} it" if charge_words.known(lifecycle) else "{} it instead"
    save = f"; {off.format(lifecycle.saving[0].verb)}" if lifecycle.saving else ""
    saving = pl.when(pl.col("sim_before").is_in(list(lifecycle.charged))).then(pl.lit(save))
    gone = pl.format("SIM {} was {} before the run, and nothing goes back there{}", "sim_id", sim, saving.fill_null(""))
    would_be = pair("sim_was", "endpoint_was", lifecycle)
    was = pl.format("SIM {} was {} before the run, {}", "sim_id", would_be, "barred")
    apart = pl.format(
        "SIM {}: {}; with the other half back it would be {}, {}", "sim_id", _others_did(), would_be, "barred"
    )
    barred = pl.when(_by_others()).then(apart).otherwise(was)
    return pl.when(final).then(gone).when(pl.col("barred").is_not_null()).then(barred)


def _by_others() -> pl.Expr:
    """Whether a half stays where others put it while the run was at work."""
    return pl.any_horizontal(_stays(half) for half in Half)


def _stays(half: Half) -> pl.Expr:
    return (pl.col(f"{half}_planned") != pl.col(f"{half}_was")).fill_null(value=False)


def _others_did() -> pl.Expr:
    """Which half others have changed, and to what."""
    did = "others changed its {} from {} to {} during the run, which stays"
    names = {half: pl.lit("SIM" if half is Half.SIM else half.value) for half in Half}
    return pl.coalesce(
        pl.when(_stays(half)).then(pl.format(did, names[half], f"{half}_planned", f"{half}_was")) for half in Half
    )


def _later() -> pl.Expr:
    whose = pl.coalesce("later_run", pl.when(~pl.col("as_left")).then("since_run"))
    sentence = "SIM {} was changed by run {} since, so it belongs to that run: undo that one first"
    return pl.when(whose.is_not_null()).then(pl.format(sentence, "sim_id", whose))


def _moved(lifecycle: Lifecycle) -> pl.Expr:
    now, left = (
        pl.concat_str(
            pair(f"sim_{when}", f"endpoint_{when}", lifecycle), pl.coalesce(pl.format(", {}", whose), pl.lit(""))
        )
        for when, whose in (("before", "owners_before"), ("left", "owners_left"))
    )
    who = pl.coalesce(pl.format("its undo {}", "back_run"), pl.lit("the run"))
    sentence = pl.format(
        "SIM {} is {} now, and {} left it {}: it was moved since, so it is left alone", "sim_id", now, who, left
    )
    return pl.when(~pl.col("as_left")).then(sentence)


def _after(what: str) -> pl.Expr:
    """Where a half, or whose the SIM, will be: as it is if that is back, nowhere if it is refused."""
    name = f"{what}_after"
    return pl.when("returned").then(f"{what}_before").when(pl.col("why").is_null()).then(name).alias(name)


def _flags() -> list[str]:
    return ["sim_step", "endpoint_step", "newly_billed"]


def _every_half(test: Callable[[Half], pl.Expr]) -> pl.Expr:
    return pl.all_horizontal(test(half) for half in Half)


def _as_left(half: Half) -> pl.Expr:
    """Whether a half is listed where the run left it, or where nobody knows whether it, or its undo, put it."""
    undone = pl.col(f"{half}_back").is_not_null() & _is(half, "back")
    return _is(half, "left") | (pl.col(f"{half}_perhaps") & _is(half, "was")) | undone


def _owned(when: str) -> pl.Expr:
    """Whether the SIM belongs to whom that column says; yes where it says nothing."""
    return pl.col(f"owners_{when}").is_null() | pl.col("owners_before").eq_missing(pl.col(f"owners_{when}"))


def _is(half: Half, when: str) -> pl.Expr:
    """Whether a half is listed in the state of that column; a half that does not exist agrees with none."""
    return pl.col(f"{half}_before").eq_missing(pl.col(f"{half}_{when}"))
