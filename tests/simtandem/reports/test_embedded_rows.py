import json
from collections.abc import Callable, Mapping, Sequence

import polars as pl

from schemas.tables import Results, empty
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.reports.embedded_rows import LIMIT, embed
from simtandem.reports.urgency import examine

MakeResults = Callable[[Sequence[Mapping[str, object]]], pl.DataFrame]


def test_every_value_can_be_had_back_by_its_place(make_results: MakeResults) -> None:
    rows: list[dict[str, object]] = [
        {},
        {"verdict": "failed", "error": "HTTP 503", "http_status": None, "iccid": None},
        {"reason": "HTTP 503"},
    ]

    examined = examine(make_results(rows), EMNIFY)
    data = json.loads(embed(examined))

    assert (data["size"], data["attention"]) == (3, 1)
    for name, column in data["plain"].items():
        assert column == examined[name].to_list()
    for name, (words, codes) in data["coded"].items():
        assert [words[code] for code in codes] == ["" if cell is None else str(cell) for cell in examined[name]]
    beside_states = {"owners", "owners_before", "owners_after", "named_as"}
    assert set(data["plain"]) | set(data["coded"]) == {*empty(Results).columns, "split"} - beside_states


def test_a_value_can_not_end_the_element_it_stands_in(make_results: MakeResults) -> None:
    evil = "</script><!--<script>\u2028&amp;'\""

    text = embed(examine(make_results([{"reason": evil, "before": evil}]), EMNIFY))

    assert not set(text) & set("<>&\u2028")
    assert json.loads(text)["coded"]["reason"][0] == [evil.replace("\u2028", r"\u2028")]


def test_beyond_the_limit_the_rows_that_need_attention_stay(make_results: MakeResults) -> None:
    many = pl.concat([make_results([{}])] * LIMIT + [make_results([{"verdict": "failed"}])], rechunk=True)
    many = many.with_columns(pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias("row"))

    data = json.loads(embed(examine(many, EMNIFY)))

    assert (data["size"], data["attention"]) == (LIMIT, 1)
    assert data["plain"]["row"][:2] == [LIMIT + 2, 2]


def test_no_rows_are_empty_columns() -> None:
    data = json.loads(embed(examine(empty(Results), EMNIFY)))

    assert (data["size"], data["plain"]["row"], data["coded"]["verdict"]) == (0, [], [[], []])
