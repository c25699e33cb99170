"""What every report page shares: one base template, one style, one policy that fetches nothing, one way to the disk.

A page is one file. Style and script are in it, and its content security policy lets the browser use these two and
load nothing else. Everything from outside is escaped, and a name that a template misspells is an error.
"""

import base64
import hashlib
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePath
from typing import TYPE_CHECKING
from urllib.parse import quote

from markupsafe import Markup

from simtandem.host.atomic_file import replace_file
from simtandem.text import escaping, formats

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = ("run.html.j2", "audit.html.j2", "period.html.j2", "base.html.j2", "parts.html.j2")


def render(template: str, **values: object) -> str:
    """A page as HTML: the template (it extends `base.html.j2`) with these values."""
    return environment().get_template(template).render(**_inline(), **values)


def write(path: Path, html: str) -> None:
    """Write a page, all or nothing; a `LedgerError` names the file if it can't be written."""
    replace_file(path, [html.encode()])


@cache
def _inline() -> dict[str, str]:
    """Style and script, and the policy that names their hashes."""
    style, script = _part("report.css"), _part("report.js")
    policy = (
        "default-src 'none'",
        "img-src data:",
        f"style-src {_hash(style)}",
        f"script-src {_hash(script)}",
        "base-uri 'none'",
        "form-action 'none'",
    )
    # Files of this package, trusted as its code is: nothing from outside is in them.
    return {"policy": "; ".join(policy), "style": Markup(style), "script": Markup(script)}  # noqa: S704


@cache
def environment() -> "Environment":
    """What makes pages of templates."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    from simtandem.reports.compiled_templates import CompiledTemplates, templates_folder

    made = Environment(
        autoescape=True,
        finalize=escaping.html,
        undefined=StrictUndefined,
        loader=FunctionLoader(_part),
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=CompiledTemplates(templates_folder(Path(__file__))),
    )
    made.filters.update(
        number="{:,}".format,
        signed="{:+,}".format,
        money="{:+,.2f}".format,
        of=formats.of,
        spoken=formats.spoken,
        duration=formats.duration,
        stamp=formats.stamp,
        instant=datetime.fromisoformat,
        day=formats.day,
        amount=formats.amount,
        link=_link,
    )
    return made


def _link(path: str) -> str:
    """A file beside the page; never a scheme or another place."""
    return f"./{quote(PurePath(path).name)}"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _part(name: str) -> str:
    return (files("simtandem.reports") / "templates" / name).read_text(encoding="utf-8")
