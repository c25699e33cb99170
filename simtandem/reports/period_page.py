"""The runs of a period as one page: how many there were, how they ended, and a link to the page of each."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import polars as pl

from schemas.statuses import StoppedBy, Verdict
from simtandem.carriers.registry import lifecycle_of
from simtandem.domain import charge_words
from simtandem.domain.lifecycle import Lifecycle
from simtandem.reports import audit_page, history_charts, page_shell
from simtandem.reports.next_steps import Advice
from simtandem.reports.run_commands import in_account
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
_NOTHING: Mapping[str, str] = MappingProxyType({})
_STOPPERS = {
    StoppedBy.OPERATOR: "stopped by its operator",
    StoppedBy.PREFECT: "cancelled in Prefect",
    StoppedBy.STOP_RULE: "stopped by the stop rule",
    StoppedBy.WAVE: "stopped after a wave",
    StoppedBy.ERROR: "stopped by an error",
    StoppedBy.KILLED: "ended before it was done",
}


def render(
    runs: pl.DataFrame,
    links: Mapping[str, str],
    days: tuple[date, date],
    audits: Sequence[Mapping[str, Any]] = (),
    retries: Mapping[str, str] = _NOTHING,
) -> str:
    """The page as HTML.

    `runs` is `report_tables.RUNS`, oldest first; `links` leads from some runs to their pages. `audits` is what the
    audits of the period keep in the ledger, oldest first. `retries` has the command for each run, oldest first, for
    which a retry can still do something.
    """
    sent = runs.filter(pl.col("kind").is_in(SENT))
    verdicts = {word: int(sent[f"verdict_{word}"].sum()) for word in Verdict}
    priced = sent.filter(pl.col("carrier").is_in([one.carrier for one in _carriers(sent) if charge_words.known(one)]))
    change, currency = priced["monthly_change"].sum(), priced["currency"].drop_nulls()
    same_host = [each for each in audits if each["carrier_host"] == audits[-1]["carrier_host"]]
    return page_shell.render(
        "period.html.j2",
        since=days[0],
        until=days[1],
        headline=_headline(verdicts, sent.height, runs.height),
        runs=[_line(run, links) for run in runs.iter_rows(named=True)],
        sent=sent.height,
        **_billing(sent),
        stoppers=_STOPPERS,
        totals={name: int(sent[name].sum()) for name in _SUMMED},
        monthly_change=None if priced["monthly_rate"].count() == 0 else float(change),
        currency=currency[0] if len(currency) else "",
        day_charts=_by_day(sent, days) if sent.height else [],
        split_charts=audit_page.split_charts(same_host),
        money=audit_page.money_chart(same_host),
        audited=same_host[-1] if same_host else None,
        advice=_next_steps(retries, days, _account(runs)),
    )


def write(
    path: Path,
    runs: pl.DataFrame,
    links: Mapping[str, str],
    days: tuple[date, date],
    audits: Sequence[Mapping[str, Any]] = (),
    retries: Mapping[str, str] = _NOTHING,
) -> None:
    """Write the page, all or nothing; a `LedgerError` names the file if it can't be written."""
    page_shell.write(path, render(runs, links, days, audits, retries))


def _headline(verdicts: Mapping[Verdict, int], sent: int, runs: int) -> dict[str, str]:
    judged, in_sync = sum(verdicts.values()), verdicts[Verdict.IN_SYNC]
    others = [f"{of(count, 'row')} {spoken(word)}" for word, count in verdicts.items() if count and word != "in_sync"]
    detail = ", ".join([f"{of(sent, 'run')} to change devices, {of(runs, 'run')} in all", *others])
    level = "good" if judged == in_sync else "mixed" if in_sync else "bad"
    word = "All in sync" if judged and judged == in_sync else "Needs attention" if judged else "No rows"
    return {"level": level, "word": word, "text": f"{in_sync:,} of {of(judged, 'row')} in sync", "detail": detail}


def _billing(sent: pl.DataFrame) -> dict[str, str]:
    """What is said of SIMs that runs at these carriers billed, or may have billed."""
    newly, no_longer = _words(sent)
    off = "Billed no longer" if no_longer == "no longer billed" else charge_words.as_heading(no_longer)
    meanings = dict.fromkeys(newly_billed_means(each) for each in _carriers(sent))
    return {"newly": charge_words.as_heading(newly), "no_longer": off, "newly_billed": " ".join(meanings)}


def _words(sent: pl.DataFrame) -> tuple[str, str]:
    return charge_words.of_all(_carriers(sent))


def _carriers(sent: pl.DataFrame) -> list[Lifecycle]:
    """The rules of the carriers that runs sent to; emnify's words where there was none."""
    if sent.is_empty():
        return [lifecycle_of("emnify")]
    return [lifecycle_of(name) for name in sent["carrier"].unique(maintain_order=True)]


def _by_day(sent: pl.DataFrame, days: tuple[date, date]) -> list[history_charts.History]:
    """What runs did on each day of the period, in UTC."""
    others = pl.sum_horizontal(pl.col(f"verdict_{word}").fill_null(0) for word in Verdict if word != Verdict.IN_SYNC)
    counts = {
        "Rows in sync": pl.col("verdict_in_sync").fill_null(0),
        "Rows not in sync": others,
        f"SIMs {_words(sent)[0]}": pl.col("newly_charged").fill_null(0),
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


def _account(runs: pl.DataFrame) -> str:
    """The account of all these runs; empty where there is none, or several."""
    found = runs["account"].drop_nulls().unique()
    return str(found[0]) if len(found) == 1 else ""


def _next_steps(retries: Mapping[str, str], days: tuple[date, date], account: str) -> list[Advice]:
    """What to look at, and the same numbers in other forms."""
    steps = []
    if retries:
        newest_first = [*retries][::-1]
        text = "No later run has brought all of them to their status. This reads the rows of the newest run again, and"
        text += " sends what is missing:"
        names = (f"Runs: {', '.join(newest_first[:_NAMED])}.",)
        steps.append(Advice(f"{of(len(retries), 'run')} left rows to retry", text, retries[newest_first[0]], names))
    audit = in_account("simtandem audit", account)
    steps.append(Advice("Check the fleet as it is now", "An audit finds split pairs and drift:", audit))
    whole = in_account(f"simtandem report --since {days[0]} --until {days[1]} --format xlsx", account)
    steps.append(Advice("The same numbers with every device and every call", "As a workbook:", whole))
    return steps


def _line(run: dict[str, object], links: Mapping[str, str]) -> dict[str, object]:
    link = links.get(str(run["run_id"]))
    others = {
        word: run[f"verdict_{word}"] for word in Verdict if word is not Verdict.IN_SYNC and run[f"verdict_{word}"]
    }
    return {**run, "link": None if link is None else quote(link), "others": others}
