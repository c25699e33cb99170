"""The page of an audit: self-contained, nothing is fetched, everything from outside is shown as text."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from schemas.statuses import Cause, Finding
from simtandem.host.atomic_file import replace_file
from simtandem.text import escaping, formats

SHOWN = 500
"""Rows of each kind on the page; the CSV has all."""

_TITLES = {
    Finding.PAYING_BUT_OFF: ("Paying but off", "SIM Activated, endpoint Disabled: charged, and not working."),
    Finding.ON_BUT_DEAD: (
        "On but dead",
        "SIM Suspended, endpoint Enabled: looks on, and can't connect. Costs nothing.",
    ),
    Finding.SIM_WITHOUT_ENDPOINT: (
        "SIM without endpoint",
        "SIM Activated, no endpoint or a Deleted one: charged for nothing.",
    ),
    Finding.ENDPOINT_WITHOUT_SIM: ("Endpoint without SIM", "It can never connect. Costs nothing."),
    Finding.FACTORY_TEST: ("In Factory Test", "Not charged yet; activates itself when the test's volume is used up."),
    Finding.DRIFTED: ("Drifted", "Left the state simtandem last put it in."),
}
_CAUSES = {
    Cause.OURS: "by runs of simtandem",
    Cause.SOMEBODY: "by somebody, through API or Portal",
    Cause.AUTOMATIC: "by the carrier itself",
    Cause.UNEXPLAINED: "unexplained: no event says who",
    Cause.AWAITED: "not known yet: the event may still come",
}


def render(told: Mapping[str, Any], findings: pl.DataFrame, explained: pl.DataFrame, files: Mapping[str, Path]) -> str:
    """The page as HTML. `told` is what the audit keeps in the ledger; the tables are as in `schemas.tables`."""
    style = _part("audit.css")
    shown = {finding: findings.filter(pl.col("finding") == finding).head(SHOWN).to_dicts() for finding in Finding}
    others = explained.filter(pl.col("cause") != Cause.OURS)
    return (
        _environment()
        .get_template("audit.html.j2")
        .render(
            told=told,
            titles=_TITLES,
            causes=_CAUSES,
            shown=shown,
            changes=others.head(SHOWN).to_dicts(),
            changes_in_all=others.height,
            limit=SHOWN,
            files={name: path.name for name, path in files.items()},
            found=sum(told["findings"].values()),
            style=Markup(style),  # noqa: S704 - our own file, trusted as the code is
            policy=f"default-src 'none'; style-src {_hash(style)}; base-uri 'none'; form-action 'none'",
        )
    )


def write(
    path: Path, told: Mapping[str, Any], findings: pl.DataFrame, explained: pl.DataFrame, files: Mapping[str, Path]
) -> None:
    """Write the page, all or nothing; a `LedgerError` names the file if it can't be written."""
    replace_file(path, [render(told, findings, explained, files).encode()])


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _part(name: str) -> str:
    return (package_files("simtandem.reports") / "templates" / name).read_text(encoding="utf-8")


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
    environment.filters.update(number="{:,}".format, of=formats.of, stamp=formats.stamp, duration=formats.duration)
    environment.filters["signed"] = "{:+,}".format
    return environment
