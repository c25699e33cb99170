"""The runs of a period as one page: how many there were, how they ended, and a link to the page of each."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from schemas.statuses import StoppedBy, Verdict
from simtandem.carriers.registry import lifecycle_of
from simtandem.reports import audit_page, history_charts, page_shell
from simtandem.reports.headline import RETRIED
from simtandem.reports.next_steps import Advice
from simtandem.reports.run_counts import newly_billed_means
from simtandem.text.formats import of, spoken

SENT = ("apply", "retry", "undo")
"""Kinds of runs that change devices: the totals are theirs. The others only looked."""

_SUMMED = (
    "rows",
    "sim_changes",
    "endpoint_changes",
    "sims_changed",
    "endpoints_changed",
    "newly_billed",
    "calls",
    "calls_retried",
    "calls_throttled",
    "newly_charged",
    "no_longer_charged",
)
_NAMED = 10
_STOPPERS = {
    StoppedBy.OPERATOR: "stopped by its operator",
    StoppedBy.PREFECT: "cancelled in Prefect",
    StoppedBy.STOP_RULE: "stopped by the stop rule",
    StoppedBy.ERROR: "stopped by an error",
    StoppedBy.KILLED: "ended before it was done",
}


def render(
    runs: pl.DataFrame, links: Mapping[str, str], days: tuple[date, date], audits: Sequence[Mapping[str, Any]] = ()
) -> str:
    """The page as HTML.

    `runs` is `report_tables.RUNS`, oldest first; `links` leads from some runs to their pages. `audits` is what the
    audits of the period keep in the ledger, oldest first.
    """
    sent = runs.filter(pl.col("kind").is_in(SENT))
    verdicts = {word: int(sent[f"verdict_{word}"].sum()) for word in Verdict}
    change, currency = sent["monthly_change"].sum(), sent["currency"].drop_nulls()
    same_host = [each for each in audits if each["carrier_host"] == audits[-1]["carrier_host"]]
    return page_shell.render(
        "period.html.j2",
        since=days[0],
        until=days[1],
        headline=_headline(verdicts, sent.height, runs.height),
        runs=[_line(run, links) for run in runs.iter_rows(named=True)],
        sent=sent.height,
        newly_billed=newly_billed_means(lifecycle_of(sent["carrier"][-1] if sent.height else "emnify")),
        stoppers=_STOPPERS,
        totals={name: int(sent[name].sum()) for name in _SUMMED},
        monthly_change=None if sent["monthly_rate"].count() == 0 else float(change),
        currency=currency[0] if len(currency) else "",
        day_charts=_by_day(sent, days) if sent.height else [],
        split_charts=audit_page.split_charts(same_host),
        money=audit_page.money_chart(same_host),
        audited=same_host[-1] if same_host else None,
        advice=_next_steps(sent, days),
    )


def write(
    path: Path,
    runs: pl.DataFrame,
    links: Mapping[str, str],
    days: tuple[date, date],
    audits: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the page, all or nothing; a `LedgerError` names the file if it can't be written."""
    page_shell.write(path, render(runs, links, days, audits))


def _headline(verdicts: Mapping[Verdict, int], sent: int, runs: int) -> dict[str, str]:
    judged, in_sync = sum(verdicts.values()), verdicts[Verdict.IN_SYNC]
    others = [f"{of(count, 'row')} {spoken(word)}" for word, count in verdicts.items() if count and word != "in_sync"]
    detail = ", ".join([f"{of(sent, 'run')} to change devices, {of(runs, 'run')} in all", *others])
    level = "good" if judged == in_sync else "mixed" if in_sync else "bad"
    word = "All in sync" if judged and judged == in_sync else "Needs attention" if judged else "No rows"
    return {"level": level, "word": word, "text": f"{in_sync:,} of {of(judged, 'row')} in sync", "detail": detail}


def _by_day(sent: pl.DataFrame, days: tuple[date, date]) -> list[history_charts.History]:
    """What runs did on each day of the period, in UTC."""
    others = pl.sum_horizontal(pl.col(f"verdict_{word}").fill_null(0) for word in Verdict if word != Verdict.IN_SYNC)
    counts = {
        "Rows in sync": pl.col("verdict_in_sync").fill_null(0),
        "Rows not in sync": others,
        "SIMs newly billed": pl.col("newly_charged").fill_null(0),
        "Calls": pl.col("calls").fill_null(0),
    }
    every = pl.date_range(days[0], days[1], eager=True).alias("day").to_frame()
    summed = sent.group_by(pl.col("started_at").dt.date().alias("day")).agg(
        count.sum().alias(title) for title, count in counts.items()
    )
    table = every.join(summed, on="day", how="left").fill_null(0).sort("day")
    noons = [datetime.combine(each, time(12), UTC) for each in table["day"]]
    return [
        history_charts.history(f"{title}, by day", list(zip(noons, table[title], strict=True)), total=True)
        for title in counts
    ]


def _next_steps(sent: pl.DataFrame, days: tuple[date, date]) -> list[Advice]:
    """What to look at, and the same numbers in other forms."""
    open_rows = pl.sum_horizontal(pl.col(f"verdict_{word}").fill_null(0) for word in RETRIED)
    left = sent.filter(open_rows > 0)
    steps = []
    if left.height:
        newest = str(left["run_id"][-1])
        text = "A later run may have brought them to their status. This reads them again and sends what is missing:"
        names = (f"Runs: {', '.join(left['run_id'].reverse().head(_NAMED))}.",)
        steps.append(
            Advice(
                f"{of(left.height, 'run')} left rows to retry", text, f"simtandem retry {shlex.quote(newest)}", names
            )
        )
    steps.append(Advice("Check the fleet as it is now", "An audit finds split pairs and drift:", "simtandem audit"))
    whole = f"simtandem report --since {days[0]} --until {days[1]} --format xlsx"
    steps.append(Advice("The same numbers with every device and every call", "As a workbook:", whole))
    return steps


def _line(run: dict[str, object], links: Mapping[str, str]) -> dict[str, object]:
    link = links.get(str(run["run_id"]))
    others = {
        word: run[f"verdict_{word}"] for word in Verdict if word is not Verdict.IN_SYNC and run[f"verdict_{word}"]
    }
    return {**run, "link": None if link is None else quote(link), "others": others}
