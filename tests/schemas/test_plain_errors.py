"""Every error of these models is a plain sentence: pydantic's own words address a programmer."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.parameters import AuditReport, BulkUpdate
from schemas.plain_errors import PlainModel

PYDANTICS = re.compile(r"Input should|Value error|Field required|Extra inputs|String should|List should|valid ")


def problems(model: type[PlainModel], given: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    return {".".join(map(str, each["loc"])): each["msg"] for each in caught.value.errors()}


@pytest.mark.parametrize(
    ("given", "name", "words"),
    [
        ({}, "", "a device list, or a selection of devices, is needed"),
        ({"file": " ", "where": "\n"}, "", "a device list, or a selection of devices, is needed"),
        ({"where": "x" * 2_001}, "where", "must have at most 2,000 characters"),
        ({"file": 7}, "file", "must be text"),
        ({"file": "x" * 200_001}, "file", "must have at most 200,000 characters"),
        ({"file": "a.csv", "mode": "aply"}, "mode", "must be 'plan' or 'apply'"),
        ({"file": "a.csv", "ask_first": "perhaps"}, "ask_first", "must be true or false"),
        ({"file": "a.csv", "batch_size": "many"}, "batch_size", "must be a whole number"),
        ({"file": "a.csv", "batch_size": 0}, "batch_size", "must be at least 1"),
        ({"file": "a.csv", "batch_size": 2001}, "batch_size", "must be at most 2,000"),
        ({"file": "a.csv", "requested_by": "x" * 101}, "requested_by", "must have at most 100 characters"),
        ({"file": "a.csv", "colour": "red"}, "colour", "is not known here"),
        ("a.csv", "", "must be a set of named values"),
    ],
)
def test_a_bulk_update_that_can_not_be_used_says_why_in_plain_words(given: Any, name: str, words: str) -> None:
    assert problems(BulkUpdate, given) == {name: words}


@pytest.mark.parametrize(
    ("given", "name", "words"),
    [
        ({"since": "yesterday"}, "since", "must be a day such as 2026-01-31"),
        ({"until": "2026-02-30"}, "until", "must be a day such as 2026-01-31"),
        ({"formats": []}, "formats", "must not be empty"),
        ({"formats": "html"}, "formats", "must be a list"),
        ({"formats": ["doc"]}, "formats.0", "must be 'html', 'xlsx', 'csv', 'parquet' or 'json'"),
        ({"until": "2026-01-31"}, "", "the last day needs a first day, on or before it"),
    ],
)
def test_an_audit_report_that_can_not_be_made_says_why_in_plain_words(given: Any, name: str, words: str) -> None:
    assert problems(AuditReport, given) == {name: words}


@pytest.mark.parametrize("model", [BulkUpdate, AuditReport])
@pytest.mark.parametrize("value", [7, -1, 1.5, "", "x", [], [None], {}, {"a": 1}, object()])
def test_no_value_brings_out_the_words_of_pydantic_or_itself(model: type[PlainModel], value: object) -> None:
    given = dict.fromkeys(model.model_fields, value)
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    assert len(caught.value.errors()) > 1
    assert not PYDANTICS.search(str(caught.value)), str(caught.value)
    assert all(each["input"] is None for each in caught.value.errors())


def test_an_address_with_a_password_is_not_repeated() -> None:
    with pytest.raises(ValidationError) as caught:
        BulkUpdate.model_validate({"file": "a.csv", "batch_size": "https://ops:secret-8@host.example/list.csv"})
    assert "secret-8" not in str(caught.value)


def test_several_problems_are_all_named() -> None:
    assert problems(BulkUpdate, {"file": 7, "batch_size": 0}) == {
        "file": "must be text",
        "batch_size": "must be at least 1",
    }
