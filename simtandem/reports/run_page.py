"""The report of a run as one self-contained page: nothing is fetched, everything from outside is shown as text."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import cast

import polars as pl

from schemas import own_columns
from schemas.own_columns import Places
from schemas.statuses import Cause, Finding, Target, Verdict
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain.charge_words import as_heading, newly
from simtandem.domain.labels import ATTRIBUTIONS
from simtandem.ledger.explanations import Explanation
from simtandem.reports import embedded_rows, page_shell, run_charts, urgency
from simtandem.reports.headline import headline, parts, stopped
from simtandem.reports.next_steps import next_steps
from simtandem.reports.run_counts import figures, newly_billed_means
from simtandem.reports.run_document import Document, with_rows
from simtandem.text import formats

PRINTED_ROWS = 200
"""How many rows that need attention are in the page for print and for browsers without scripts."""

_SHOWN_MOVES = 30
_MARKS = {
    Verdict.IN_SYNC: "✓",
    Verdict.CHANGED_BY_OTHERS: "⇄",
    Verdict.FAILED: "✕",
    Verdict.UNKNOWN: "?",
    Verdict.REFUSED: "⊘",
    Verdict.INVALID: "⊘",
    Verdict.SKIPPED: "–",  # noqa: RUF001 - a dash is what is meant
}


def render(
    document: Mapping[str, object],
    results: pl.DataFrame,
    *,
    rejected: pl.DataFrame,
    calls: pl.DataFrame | None,
    explanation: Explanation | None = None,
    own: pl.DataFrame | None = None,
    title: str,
    started: datetime | None,
    finished: datetime | None,
) -> str:
    """The page as HTML.

    `document` is what `run_document.document` makes, perhaps with `who` added; `results` and `rejected` are tables
    as in `schemas.tables`; `calls` has `at` (UTC), `method`, `path`, `purpose`, `attempt`, `status`, `seconds` and
    `fault`; `explanation` says who changed what, where that is known. `own` has the operator's own columns.
    """
    run = cast("Document", document)
    return page_shell.render(
        "run.html.j2",
        title=title,
        run=run,
        files=with_rows(run),
        who=document.get("who"),
        started=started,
        finished=finished,
        timeline=None if calls is None else run_charts.timeline(calls),
        purposes=[] if calls is None else run_charts.purposes(calls),
        causes=None if explanation is None else _causes(explanation),
        cause_words=ATTRIBUTIONS,
        shown_moves=_SHOWN_MOVES,
        marks=_MARKS,
        waves=run.get("waves", []),
        **_judged(run, results, rejected, own_columns.none() if own is None else own),
    )


def _judged(run: Document, results: pl.DataFrame, rejected: pl.DataFrame, own: pl.DataFrame) -> dict[str, object]:
    """What the page says about the rows."""
    examined = urgency.examine(results, lifecycle_of(run["carrier"]))
    kept = own_columns.beside(own, examined["row"])
    return {
        "headline": _headline(run, examined),
        "figures": figures(results, lifecycle_of(run["carrier"])),
        "newly": as_heading(newly(lifecycle_of(run["carrier"]))),
        "newly_billed": newly_billed_means(lifecycle_of(run["carrier"])),
        "events_kept_days": lifecycle_of(run["carrier"]).events.kept.days,
        "asked": _counts(results, "desired", list(Target)),
        "funnel": run_charts.funnel(run),
        "moves": urgency.moves(results),
        "advice": next_steps(run, examined, rejected, Places(own)),
        "attention": int(examined["attention"].sum()),
        "printed": examined.filter("attention").head(PRINTED_ROWS).to_dicts(),
        "printed_own": kept.head(PRINTED_ROWS).to_dicts(),
        "own_names": kept.columns,
        "findings": _counts(examined, "finding", list(urgency.URGENCY)),
        "embedded": min(examined.height, embedded_rows.LIMIT),
        "rows": examined.height,
        "data": embedded_rows.embed(examined, kept),
    }


def write_report(path: Path, html: str) -> None:
    """Write the page, all or nothing; a `LedgerError` names the file if it can't be written."""
    page_shell.write(path, html)


def _causes(explanation: Explanation) -> dict[str, object]:
    """Who changed what: counts of each cause, and those that simtandem did not make."""
    changes = explanation.changes
    others = changes.filter(pl.col("cause") != Cause.OURS).sort("seen", "half", "ident")
    ours = changes.filter(pl.col("cause") == Cause.OURS)
    return {
        "read_at": explanation.read_at,
        "counts": [(word, changes.filter(pl.col("cause") == word).height) for word in Cause],
        "confirmed": ours["event_id"].count(),
        "others": others.head(PRINTED_ROWS).to_dicts(),
        "more": max(0, others.height - PRINTED_ROWS),
    }


def _headline(run: Document, examined: pl.DataFrame) -> dict[str, str]:
    """The verdict on the whole run in a sentence, how good it is, and what is wrong in a few words."""
    text, who = headline(run), stopped(run)
    idle = examined["split"].is_in([Finding.PAYING_BUT_OFF, Finding.SIM_WITHOUT_ENDPOINT]).sum()
    charged = [f"{formats.of(int(idle), 'SIM')} charged without working"] if idle else []
    if run.get("refusal"):
        return {"level": "mixed", "word": "Nothing was sent", "text": text, "detail": run["refusal"]}
    if who:
        stop = run.get("stopped")
        why = [stop["why"]] if stop and stop["why"] else []
        if stop and run.get("state"):
            why.append("the carrier was not read after the last call")
        level, word = "bad" if charged else "mixed", "Stopped" if stop else "Running"
        return {"level": level, "word": word, "text": text, "detail": "; ".join(charged + why)}
    wrong = charged + [f"{number:,} {words}" for number, words in parts(run)[1:]]
    if missing := run["input"]["rows"] - sum(run["verdicts"].values()):
        wrong.append(f"{missing:,} not compared")
    if not wrong:
        return {"level": "good", "word": "All in sync", "text": text, "detail": ""}
    serious = charged or not run["verdicts"].get(Verdict.IN_SYNC, 0)
    word = "Act now" if serious else "Needs attention"
    return {"level": "bad" if serious else "mixed", "word": word, "text": text, "detail": ", ".join(wrong)}


def _counts(table: pl.DataFrame, column: str, order: list[str]) -> list[tuple[str, int]]:
    """How often each word is in a column, words that don't left out."""
    counts = dict(table.group_by(column).len().iter_rows())
    return [(str(word), counts[word]) for word in order if word in counts]
