from pathlib import Path

import pytest

from simtandem.carriers.aeris.iot_accelerator.lifecycle import IOT_ACCELERATOR
from simtandem.carriers.emnify.lifecycle import EMNIFY
from simtandem.cli.request import options_of, request_for, target_of
from simtandem.errors import InputError


def test_a_status_that_the_carrier_has_not_is_answered_with_all_words_that_it_has() -> None:
    with pytest.raises(InputError) as caught:
        target_of("pause", EMNIFY)
    assert str(caught.value) == (
        "--to pause: not a status at emnify. Use activated (also activate, active, 1), suspended (also suspend, 2) or "
        "factory_test (also 4). Nothing was sent."
    )
    assert target_of("PAUSE", IOT_ACCELERATOR) == "suspended"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"where": "sim_id = 1 or " * 200 + "sim_id = 2"}, "--where must have at most 2,000 characters"),
        ({"where": "sim_id = 1", "sheet": ["x" * 4_097]}, "--sheet must have at most 4,096 characters"),
    ],
)
def test_what_a_run_can_not_be_asked_is_a_sentence_about_the_option(options: dict[str, str], told: str) -> None:
    with pytest.raises(InputError) as caught:
        request_for(None, **options)  # type: ignore[arg-type]
    assert str(caught.value) == f"{told}. Nothing was sent."


def test_sheets_of_several_workbooks_are_options_again(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.xlsx", "b.xlsx")]
    request = request_for(files, sheet=["a.xlsx:Two", "One"])
    assert options_of(request) == ["--sheet", "a.xlsx:Two", "--sheet", "One"]
    with pytest.raises(InputError, match=r"'?c\.xlsx'? is no file of the list.*'a\.xlsx', 'b\.xlsx'"):
        request_for(files, sheet=["c.xlsx:One"])
