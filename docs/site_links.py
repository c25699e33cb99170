"""A hook of the documentation site: links that leave docs/ (the licence, the benchmarks) are shown as their paths."""

import re
from typing import Any

OUTWARD = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page's text, with each link out of the site as text and path."""
    return OUTWARD.sub(r"\1 (`\2`)", markdown)
