import io
import re

import pytest
from jinja2 import Environment
from rich.console import Console
from rich.table import Table
from rich.text import Text

from simtandem.text import escaping
from simtandem.text.escaping import Markdown, markdown, notification, prose, visible
from simtandem.text.terminal import Terminal, print_json

HOSTILE = {
    "ANSI": "\x1b[2J\x1b[31mPlan approved",
    "OSC": "\x1b]0;title\x07\x1b]8;;http://evil.test\x1b\\click\x1b]8;;\x1b\\",
    "C1": "\x9b2J\x85next\x90",
    "bidi": "invoice\u202egpj.exe\u2066x\u2069",
    "CR LF": "depot\r\nApproved by: boss\rX",
    "other line ends": "a\u2028b\u2029c\x0bd\x0ce\x1cf",
    "zero width": "ad\u200bmin\u200d\ufeff\u2060\u00ad",
    "rich markup": "[red]x[/red] [link=http://evil.test]y[/link] :smile: [/]",
    "markdown": "[click](http://evil.test) ![img](https://evil.test/x.png) **b** `code` | cell |\n# head",
    "autolink": "<http://evil.test> https://evil.test www.evil.test javascript:alert(1) me@evil.test",
    "HTML": "<script>alert(1)</script><img src=x onerror=alert(1)>&lt;",
    "template": "{{ address }} {% raw %} {0} {x}",
    "mention": "<!channel> <@U123> @here & co",
    "formula": "=cmd|' /C calc'!A0",
    "surrogates": "a\ud800b\udfff",
    "NUL": "a\0b",
    "tags": "x\U000e0041\U000e007f",
    "long": "x" * 100_000,
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSJ9.c2lnbmF0dXJlc2lnbmF0dXJl",
}
EVERY = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())


def unseen(text: str) -> set[str]:
    return {sign for sign in text if not sign.isprintable()} - {"\n"}


@EVERY
def test_one_line_of_visible_signs(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert shown.encode()


@pytest.mark.parametrize(("one", "other"), [("admin", "ad\u200bmin"), ("a", "a\0"), ("ab", "a\u202eb")])
def test_texts_that_differ_look_different(one: str, other: str) -> None:
    assert visible(one) != visible(other)


@EVERY
def test_a_terminal_gets_text_however_it_is_printed(text: str) -> None:
    told = io.StringIO()
    console = Terminal(file=told, force_terminal=False, width=200)
    table = Table("a")
    table.add_row(text)
    table.add_row(Text(text))
    for each in (text, Text(text), Text.assemble(("a ", "bold"), (text, "dim")), table):
        console.print(each, soft_wrap=True)
    console.log(text)
    assert unseen(told.getvalue()) == set()
    assert "eyJhbGci" not in told.getvalue()
    if text.startswith("[red]"):
        assert told.getvalue().count("[red]x[/red]") >= 3
        assert ":smile:" in told.getvalue()


def test_styles_of_our_own_still_reach_a_terminal() -> None:
    told = io.StringIO()
    Terminal(file=told, force_terminal=True, color_system="standard", legacy_windows=False).print(Text("x", "red"))
    assert "\x1b[31mx" in told.getvalue()
    assert isinstance(Terminal(), Console)


@EVERY
def test_a_json_document_does_not_steer_the_terminal_that_shows_it(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_json({"file": text + "\x7f", text: [text]})
    out = capsys.readouterr().out
    assert out.isascii()
    assert unseen(out) == set()
    assert "eyJhbGci" not in out


@EVERY
def test_in_markdown_a_value_is_code_or_plain_words(text: str) -> None:
    made = markdown("## {} | {}\n\n{}", text, 7, prose(text))
    assert unseen(made) == set()
    code = made.split("\n", 1)[0]
    assert re.fullmatch(r"## `[^`|]+` \| 7", code)
    words = made.split("\n\n", 1)[1]
    assert not re.search(r"(?<!\\)[\[\]<>`*|!#_]", words)
    assert not re.search(r"(?i)https?:/|www\.\w|javascript:a|@", words)
    assert len(made) < 10_000
    assert "eyJhbGci" not in made


def test_markdown_of_our_own_stays_markdown() -> None:
    assert markdown("{}\n{}", markdown("**{}**", 1), Markdown("x")) == "**1**\nx"


@EVERY
@pytest.mark.parametrize("medium", [escaping.name, escaping.state, escaping.subject, escaping.table_cell])
def test_names_states_subjects_and_cells_hold_no_link_and_end(text: str, medium: object) -> None:
    assert callable(medium)
    shown = str(medium(text))
    assert unseen(shown) == set()
    assert len(shown) <= 4000
    assert "eyJhbGci" not in shown
    if medium is not escaping.subject:
        assert not re.search(r"(?i)https?://|www\.\w|javascript:a", shown)
    if medium is escaping.table_cell:
        assert not re.search(r"\]\(|[<>]", shown)
    if medium in (escaping.name, escaping.subject):
        assert "\n" not in shown
        assert len(shown) <= 200


def test_numbers_stay_numbers_in_a_table() -> None:
    assert [escaping.table_cell(each) for each in (3, 1.5, None, True)] == [3, 1.5, None, True]


@EVERY
def test_a_chat_is_told_without_mentions_links_or_tags(text: str) -> None:
    told = escaping.notification(text)
    assert not re.search(r"[<>@]|https?://", told)
    assert unseen(told) == set()
    assert len(told) < 20_000


@EVERY
def test_a_page_shows_what_is_not_seen_and_escapes_markup(text: str) -> None:
    page = Environment(autoescape=True, finalize=escaping.html).from_string("<p>{{ x }}</p>").render(x=text)
    assert not re.search(r"<(?!/?p>)", page)
    assert unseen(page) == set()
    assert "eyJhbGci" not in page


def test_a_notification_keeps_the_address_of_its_run_on_the_last_line_and_no_other() -> None:
    page = "http://127.0.0.1:4200/v2/runs/flow-run/19a4678b-df0e-49e0-b5ec-045fe8770e17"
    told = notification(f"list.csv: see https://evil.test/runs/flow-run/x\n{page}")
    assert told.endswith(f"\n{page}")
    assert "https://evil" not in told
    assert page not in notification(f"{page} and more")
    files = f"Files: http://127.0.0.1:4200/simtandem/flow-runs/{page[-36:]}/"
    assert notification(f"done\n{page}\n{files}").endswith(f"{page}\n{files}")
    hostile = f"{page}\n{files}\nlist.csv: see https://evil.test/x\n{page}\n{files}"
    assert "https://evil" not in notification(hostile)
    assert notification(hostile).count("http:/" + "/127") == 2, "what looks like them before the end is no link"


def test_a_link_leads_to_the_server_itself_and_nowhere_else() -> None:
    assert escaping.link("a](b) <c>", "/simtandem/runs/1/x.csv") == r"[a\]\(b\) \<c\>](/simtandem/runs/1/x.csv)"
    for place in ("https://evil.test", "//evil.test", "javascript:x", "/simtandem/../api", "/simtandem/a)b", "/x", ""):
        with pytest.raises(ValueError, match="own server"):
            escaping.link("x", place)
