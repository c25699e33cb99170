import base64
import hashlib
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from schemas.tables import Rejected, Results, empty
from simtandem.errors import LedgerError
from simtandem.reports.run_page import PRINTED_ROWS, render, write_report

Make = Callable[[Sequence[Mapping[str, object]]], pl.DataFrame]
MakeRejected = Callable[[Sequence[tuple[int, str, str, str]]], pl.DataFrame]
MakeDocument = Callable[..., dict[str, object]]

VOID = {"meta", "link", "input", "wbr", "br"}
URLS = {"src", "href", "action", "formaction", "srcset", "poster", "data", "xlink:href"}


class Page(HTMLParser):
    """The page as a browser takes it: nesting checked, attributes, texts and elements collected."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def text(self, *, but: tuple[str, ...] = ("style", "script")) -> str:
        return " ".join(" ".join(data for inside, data in self.texts if inside not in but).split())

    def inside(self, tag: str) -> str:
        return "".join(data for where, data in self.texts if where == tag)

    def values(self) -> dict[str, str | None]:
        return {str(a["data-key"]): a["data-value"] for _, a in self.tags if "data-key" in a}


def draw(
    document: Mapping[str, object],
    results: pl.DataFrame,
    *,
    rejected: pl.DataFrame | None = None,
    calls: pl.DataFrame | None = None,
    title: str = "Run run-1",
) -> Page:
    return Page(
        render(
            document,
            results,
            rejected=empty(Rejected) if rejected is None else rejected,
            calls=calls,
            title=title,
            started=datetime(2026, 3, 1, 9, 15, 2, tzinfo=UTC),
            finished=datetime(2026, 3, 1, 9, 15, 14, tzinfo=UTC),
        )
    )


@pytest.fixture
def mixed(make_results: Make) -> pl.DataFrame:
    return make_results(
        [
            {},
            {},
            {"verdict": "failed", "after": "Activated+Disabled", "error": "HTTP 503", "endpoint_outcome": "failed"},
            {
                "verdict": "invalid",
                "desired": None,
                "before": "",
                "after": "",
                "reason": "no id",
                "sim_id": None,
                "sim_outcome": None,
                "endpoint_outcome": None,
            },
            {"verdict": "skipped", "after": "Suspended+Disabled", "sim_outcome": "held", "endpoint_outcome": "held"},
        ]
    )


def test_the_headline_says_how_many_devices_are_in_sync_and_what_is_wrong(
    mixed: pl.DataFrame, make_document: MakeDocument
) -> None:
    page = draw(make_document(mixed), mixed)

    assert page.inside("h1") == "2 of 5 rows are in sync"
    assert "1 SIM charged without working, 1 not sent, 1 failed, 1 invalid" in page.text()
    assert "Act now" in page.text()


@pytest.mark.parametrize(
    ("rows", "headline", "word"),
    [
        ([], "0 of 0 rows are in sync", "All in sync"),
        ([{}], "1 of 1 row is in sync", "All in sync"),
        ([{}, {"verdict": "unknown", "after": ""}], "1 of 2 rows are in sync", "Needs attention"),
        ([{"verdict": "unknown", "after": ""}], "0 of 1 row is in sync", "Act now"),
    ],
)
def test_the_verdict_is_a_word_and_a_shape_not_a_colour_alone(
    make_results: Make, make_document: MakeDocument, rows: list[dict[str, object]], headline: str, word: str
) -> None:
    results = make_results(rows)

    page = draw(make_document(results), results)

    assert page.inside("h1") == headline
    assert word in page.text()
    assert any(attributes.get("class") == "sign" for attributes in page.all("svg"))


def test_rows_without_a_verdict_are_not_called_in_sync(make_results: Make, make_document: MakeDocument) -> None:
    document = make_document(make_results([{}, {}]))
    document["verdicts"] = {"in_sync": 0}

    page = draw(document, empty(Results))

    assert "All in sync" not in page.text()
    assert "2 not compared" in page.text()


def test_the_counts_in_the_page_are_the_documents(mixed: pl.DataFrame, make_document: MakeDocument) -> None:
    document = make_document(mixed, throttled=7, total=123_456)
    numbers = json.loads(json.dumps(document))

    page = draw(document, mixed)

    values = page.values()
    assert values == {
        "input.rows": "5",
        "changed.devices": "3",
        "changed.sims": "3",
        "changed.endpoints": "2",
        "changed.newly_billed": "3",
        "unchanged": "0",
        "outcomes.refused": "0",
        "calls.total": "123456",
        "calls.retried": "18",
        "calls.throttled": "7",
        "seconds": "12.3",
        **{f"verdicts.{word}": str(count) for word, count in numbers["verdicts"].items()},
    }
    assert "123,456" in page.text()
    assert "1,016 SIMs planned" in page.text()


def test_what_was_asked_is_told_in_full(mixed: pl.DataFrame, make_document: MakeDocument) -> None:
    page = draw({**make_document(mixed), "who": "anna"}, mixed)

    text = page.text()
    for fact in ("fleet.csv", "4 activated", "emnify", "2026-03-01 09:15:02", "2026-03-01 09:15:14", "anna", "run-1"):
        assert fact in text
    assert {"d1" * 32, "ab" * 32} <= {attributes.get("title") for attributes in page.all("code")}


def test_nothing_is_fetched_from_anywhere(mixed: pl.DataFrame, make_document: MakeDocument, make_calls: Make) -> None:
    page = draw(make_document(mixed), mixed, calls=make_calls([{}, {"status": 429}]))

    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in URLS]
    assert addresses == ["data:,", "#content", "./results.csv"]
    assert not re.search(r"url\(|@import|https?:", page.inside("style"))
    assert not re.search(r"fetch|XMLHttpRequest|import\(|https?:|innerHTML|insertAdjacent|eval", page.inside("script"))


def test_the_policy_allows_this_style_and_this_script_alone(mixed: pl.DataFrame, make_document: MakeDocument) -> None:
    page = draw(make_document(mixed), mixed)

    (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    script = next(data for inside, data in page.texts if inside == "script")
    hashes = [
        base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (page.inside("style"), script)
    ]
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not any(name == "style" or name.startswith("on") for _, attributes in page.tags for name in attributes)


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "</script><img src=x onerror=alert(1)>",
        "it's\"><svg onload=alert(1)>",
        "{{ 7 * 7 }}",
    ],
)
def test_values_from_outside_stay_text(
    make_results: Make, make_document: MakeDocument, make_rejected: MakeRejected, make_calls: Make, evil: str
) -> None:
    def with_text(text: str) -> Page:
        results = make_results(
            [
                {"verdict": "failed", "reason": text, "error": text, "before": text, "after": text},
                {"verdict": "invalid", "desired": None, "reason": text, "after": ""},
                {},
                {},
            ]
        )
        document = {**make_document(results, file=text, run_id=text), "who": text, "carrier": text}
        document["next"] = f"simtandem retry {shlex.quote(text)}"
        document["files"] = {text: text}
        rejected = make_rejected([(3, text, text, text)])
        calls = make_calls([{"purpose": text, "fault": text, "path": text}])
        return draw(document, results, rejected=rejected, calls=calls, title=text)

    page, harmless = with_text(evil), with_text("harmless")

    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    assert [sorted(attributes) for _, attributes in page.tags] == [
        sorted(attributes) for _, attributes in harmless.tags
    ]
    # The link shows its name as an address, and a command quotes a quote for the shell.
    altered = 1 + ("'" in evil)
    assert page.text().count(evil) == harmless.text().count("harmless") - altered
    data = json.loads([data for inside, data in page.texts if inside == "script"][-1])
    assert evil in data["coded"]["reason"][0]


def test_the_rows_can_be_sorted_filtered_and_read_by_keyboard_and_screen_reader(
    mixed: pl.DataFrame, make_document: MakeDocument
) -> None:
    page = draw(make_document(mixed), mixed)

    headers = [a for a in page.all("th") if "data-column" in a]
    assert len(headers) == 18
    assert {(a["scope"], a["aria-sort"]) for a in headers} == {("col", "none")}
    buttons = [
        place for place, (tag, _) in enumerate(page.tags) if tag == "th" and "data-column" in page.tags[place][1]
    ]
    assert {page.tags[place + 1][0] for place in buttons} == {"button"}
    for control in ("input", "select"):
        places = [place for place, (tag, _) in enumerate(page.tags) if tag == control]
        assert len(places) == 2
        assert {page.tags[place - 1][0] for place in places} == {"label"}
    assert page.all("a")[0] == {"class": "skip", "href": "#content"}
    assert page.all("html") == [{"lang": "en"}]
    ids = [a["id"] for _, a in page.tags if "id" in a]
    named = " ".join(str(a["aria-labelledby"]) for _, a in page.tags if "aria-labelledby" in a).split()
    assert len(ids) == len(set(ids))
    assert set(named) <= set(ids)


def test_a_finding_can_be_chosen_with_its_count(mixed: pl.DataFrame, make_document: MakeDocument) -> None:
    page = draw(make_document(mixed), mixed)

    options = [data for inside, data in page.texts if inside == "option"]
    attention = ["all", "paying but off (1)", "skipped (1)", "invalid (1)"]
    assert options == [*attention, *attention, "in sync (2)"]


def test_print_and_browsers_without_scripts_get_the_first_rows_that_need_attention(
    make_results: Make, make_document: MakeDocument
) -> None:
    results = make_results(
        [{"verdict": "failed", "after": "", "error": f"error {n}."} for n in range(PRINTED_ROWS + 5)]
    )

    text = draw(make_document(results), results).text()

    assert f"error {PRINTED_ROWS - 1}." in text
    assert f"error {PRINTED_ROWS}." not in text
    assert f"The first {PRINTED_ROWS} of {PRINTED_ROWS + 5} rows" in text


def test_an_error_the_reason_tells_already_is_not_told_twice(make_results: Make, make_document: MakeDocument) -> None:
    told = {"verdict": "failed", "after": "", "reason": "the SIM step failed: timeout", "error": "timeout"}
    apart = {"verdict": "failed", "after": "", "reason": "not as asked", "error": "no route"}
    results = make_results([told, apart])

    page = draw(make_document(results), results)

    notes = [data for inside, data in page.texts if inside == "small"]
    assert "no route" in notes
    assert "timeout" not in notes


def test_calls_are_drawn_only_where_there_are_any(
    mixed: pl.DataFrame, make_document: MakeDocument, make_calls: Make
) -> None:
    calls = make_calls([{"after": n, "status": 429 if n == 3 else 204} for n in range(20)])

    with_calls = draw(make_document(mixed), mixed, calls=calls)

    assert sum(a.get("class") == "throttled" for a in with_calls.all("rect")) == 1
    assert "1 call rate-limited, 0 calls with an error or no answer" in with_calls.text()
    for none in (None, make_calls([])):
        assert "Calls to the carrier" not in draw(make_document(mixed), mixed, calls=none).text()


def test_a_fleet_beyond_the_limit_is_shown_in_part_and_the_page_says_so(
    make_results: Make, make_document: MakeDocument
) -> None:
    results = pl.concat([make_results([{}])] * 100_001, rechunk=True)
    results = results.with_columns(pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias("row"))

    page = draw(make_document(results), results)

    assert "This table holds 100,000 of 100,001 rows" in page.text()


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", "<p>é</p>")

    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "<p>é</p>"
    with pytest.raises(LedgerError, match=r"report\.html can't be written"):
        write_report(tmp_path / "gone" / "report.html", "")
