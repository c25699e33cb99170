"""The runs of a period as one page: how many there were, how they ended, and a link to the page of each."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import polars as pl
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from schemas.statuses import StoppedBy, Verdict
from simtandem.host.atomic_file import replace_file
from simtandem.reports.run_counts import NEWLY_BILLED
from simtandem.text import escaping, formats

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


_STOPPERS = {
    StoppedBy.OPERATOR: "stopped by its operator",
    StoppedBy.PREFECT: "cancelled in Prefect",
    StoppedBy.STOP_RULE: "stopped by the stop rule",
    StoppedBy.ERROR: "stopped by an error",
    StoppedBy.KILLED: "ended before it was done",
}


def render(runs: pl.DataFrame, links: Mapping[str, str], days: tuple[date, date]) -> str:
    """The page as HTML. `runs` is `report_tables.RUNS`, oldest first; `links` leads from some runs to their pages."""
    style = _part("report.css")
    sent = runs.filter(pl.col("kind").is_in(SENT))
    verdicts = {word: int(sent[f"verdict_{word}"].sum()) for word in Verdict}
    change, currency = sent["monthly_change"].sum(), sent["currency"].drop_nulls()
    return (
        _environment()
        .get_template("period.html.j2")
        .render(
            since=days[0],
            until=days[1],
            runs=[_line(run, links) for run in runs.iter_rows(named=True)],
            sent=sent.height,
            newly_billed=NEWLY_BILLED,
            stoppers=_STOPPERS,
            totals={name: int(sent[name].sum()) for name in _SUMMED},
            verdicts=verdicts,
            judged=sum(verdicts.values()),
            monthly_change=None if sent["monthly_rate"].count() == 0 else float(change),
            currency=currency[0] if len(currency) else "",
            style=Markup(style),  # noqa: S704 - our own file, trusted as the code is
            policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; base-uri 'none'; form-action 'none'",
        )
    )


def write(path: Path, runs: pl.DataFrame, links: Mapping[str, str], days: tuple[date, date]) -> None:
    """Write the page, all or nothing; a `LedgerError` names the file if it can't be written."""
    replace_file(path, [render(runs, links, days).encode()])


def _line(run: dict[str, object], links: Mapping[str, str]) -> dict[str, object]:
    link = links.get(str(run["run_id"]))
    others = {
        word: run[f"verdict_{word}"] for word in Verdict if word is not Verdict.IN_SYNC and run[f"verdict_{word}"]
    }
    return {**run, "link": None if link is None else quote(link), "others": others}


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _part(name: str) -> str:
    return (files("simtandem.reports") / "templates" / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        finalize=escaping.html,
        undefined=StrictUndefined,
        loader=FunctionLoader(_part),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number="{:,}".format, of=formats.of, spoken=formats.spoken, stamp=formats.stamp)
    environment.filters["signed"] = "{:+,.2f}".format
    return environment
