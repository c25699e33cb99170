import json
import sys

import pytest

from dependencies.advisories import Found, ask, look, read_answer, verdict

GOOD = {"name": "polars", "version": "2.1.0", "vulns": []}
BAD = {"name": "starlette", "version": "1.0", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": []}]}
UNKNOWN = {"name": "prefect", "skip_reason": "Dependency not found on PyPI and could not be audited: prefect (3.8.8)"}


def says(*packages: object) -> list[str]:
    return [sys.executable, "-c", f"print({json.dumps({'dependencies': packages})!r})"]


def test_a_vulnerable_package_fails_and_is_named_with_what_mends_it() -> None:
    code, lines = verdict(look([says(GOOD, BAD)]), {})

    assert code == 1
    assert "VULNERABLE: starlette 1.0, mended in 1.1: PYSEC-2026-1" in lines


def test_an_accepted_advisory_is_told_and_does_not_fail() -> None:
    code, lines = verdict(look([says(BAD)]), {"PYSEC-2026-1": "no forms are parsed here"})

    assert code == 0
    assert "VULNERABLE: starlette 1.0, mended in 1.1: PYSEC-2026-1 (accepted: no forms are parsed here)" in lines


def test_packages_that_the_source_does_not_know_are_not_called_checked() -> None:
    assert verdict(look([says(GOOD, UNKNOWN)]), {}) == (
        0,
        [
            "advisories: 1 pinned packages checked",
            "advisories: 1 packages NOT CHECKED: the source does not know them",
        ],
    )


def test_an_index_without_advisories_is_no_source_and_the_next_one_is_asked() -> None:
    assert look([says(UNKNOWN), says(GOOD)]) == Found(1, 0)


@pytest.mark.parametrize(
    "command",
    [
        says(UNKNOWN),
        [sys.executable, "-c", "raise SystemExit('ConnectionError')"],
        [sys.executable, "-c", "print('[]')"],
        ["/nowhere/pip-audit"],
    ],
)
def test_where_nobody_answers_it_says_so_and_does_not_fail(command: list[str]) -> None:
    code, lines = verdict(look([command]), {})

    assert code == 0
    assert lines == ["advisories: NOT CHECKED: no source of advisories answered"]


def test_a_source_that_hangs_is_given_up() -> None:
    hangs = f"import time; {says(GOOD)[-1]}; time.sleep(60)"

    assert ask([sys.executable, "-c", hangs], 0.01) is None


def test_the_time_is_for_all_sources_together() -> None:
    assert look([says(GOOD)], seconds=0) is None


def test_what_is_no_answer_is_none() -> None:
    assert read_answer("Found 1 known vulnerability") is None
