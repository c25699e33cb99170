"""Codes typed as arguments become a list of actions, and arguments again."""

import pytest

from simtandem.reports import batch_codes


def test_codes_become_a_list_and_arguments_again() -> None:
    text = batch_codes.as_list(["AB-12", "CD-34", "AB-12"], "activated")
    assert text == "action,bic,status\nregister_batch,AB-12,activated\nregister_batch,CD-34,activated\n"
    assert batch_codes.as_arguments(text) == ["AB-12", "CD-34", "--to", "activated"]


@pytest.mark.parametrize("text", ["actions.csv", "", "action,bic,status", "action,sim_id\nassign,17\n"])
def test_any_other_text_was_not_typed_as_codes(text: str) -> None:
    assert batch_codes.as_arguments(text) == []


def test_a_list_is_called_by_its_code_or_by_how_many_there_are() -> None:
    assert batch_codes.called(batch_codes.as_list(["AB-12"], "issued")) == "batch AB-12"
    assert batch_codes.called(batch_codes.as_list(["AB-12", "CD-34"], "issued")) == "2 batches"
