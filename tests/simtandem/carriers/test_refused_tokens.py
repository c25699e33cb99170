import json
import stat
from pathlib import Path

import pytest

from schemas.accounts import DEFAULT, AccountKey
from simtandem.carriers.refused_tokens import LOCKED_S, RefusedTokens, refused_tokens

TOKEN = "eyJ-application-token"


class HandClock:
    """A clock a test moves by hand."""

    def __init__(self) -> None:
        self.now = 1_750_000_000.0

    def __call__(self) -> float:
        return self.now


def test_refused_token_is_known_to_who_comes_later_and_another_one_is_not(tmp_path: Path) -> None:
    RefusedTokens(tmp_path / "refused.json").remember(TOKEN, "HTTP 401")
    later = RefusedTokens(tmp_path / "refused.json")
    known = later.refusal_of(TOKEN)
    assert known is not None
    assert known.said == "HTTP 401"
    assert later.refusal_of(TOKEN + "2") is None


def test_file_is_for_its_owner_alone_and_holds_no_token(tmp_path: Path) -> None:
    file = tmp_path / "refused.json"
    RefusedTokens(file).remember(TOKEN, "HTTP 401")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert TOKEN not in file.read_text()
    assert [each.name for each in tmp_path.iterdir()] == ["refused.json"]


def test_the_same_token_has_another_hash_in_another_home(tmp_path: Path) -> None:
    for home in "ab":
        RefusedTokens(tmp_path / home / "refused.json").remember(TOKEN, "HTTP 401")
    first, second = (json.loads((tmp_path / home / "refused.json").read_text())["refused"][0]["hash"] for home in "ab")
    assert first != second


def test_forgotten_tokens_may_be_tried_again(tmp_path: Path) -> None:
    refused = RefusedTokens(tmp_path / "refused.json")
    refused.remember(TOKEN, "HTTP 401")
    refused.remember(TOKEN, "HTTP 401 again")
    assert (refused.forget(), refused.forget()) == (1, 0)
    assert refused.refusal_of(TOKEN) is None


def test_lock_of_the_account_counts_for_as_long_as_it_lasts(tmp_path: Path) -> None:
    clock = HandClock()
    refused = RefusedTokens(tmp_path / "refused.json", clock=clock)
    refused.remember(TOKEN, "HTTP 401, code 1105", lasts_s=LOCKED_S)
    clock.now += LOCKED_S - 1
    assert refused.refusal_of(TOKEN) is not None
    clock.now -= 3 * LOCKED_S  # set back: no lock lasts so long
    assert refused.refusal_of(TOKEN) is None
    clock.now += 3 * LOCKED_S + 1
    assert refused.refusal_of(TOKEN) is None


@pytest.mark.parametrize("content", ["", "[]", '{"salt": "zz", "refused": []}', '{"salt": "", "refused": [{}]}', "\0"])
def test_file_that_makes_no_sense_is_as_none_and_is_written_anew(tmp_path: Path, content: str) -> None:
    file = tmp_path / "refused.json"
    file.write_text(content)
    refused = RefusedTokens(file)
    assert refused.refusal_of(TOKEN) is None
    refused.remember(TOKEN, "HTTP 401")
    assert refused.refusal_of(TOKEN) is not None


def test_only_so_many_tokens_are_kept(tmp_path: Path) -> None:
    refused = RefusedTokens(tmp_path / "refused.json")
    for number in range(22):
        refused.remember(f"{TOKEN}{number}", "HTTP 401")
    assert len(json.loads((tmp_path / "refused.json").read_text())["refused"]) == 20
    assert refused.refusal_of(f"{TOKEN}1") is None
    assert refused.refusal_of(f"{TOKEN}21") is not None


def test_folder_that_cannot_be_written_costs_no_more_than_the_memory(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    RefusedTokens(tmp_path / "home" / "refused.json").remember(TOKEN, "HTTP 401")


def test_each_host_has_its_own_memory_however_it_is_spelled(tmp_path: Path) -> None:
    refused_tokens(tmp_path, AccountKey(DEFAULT, "CDN.emnify.net:443")).remember(TOKEN, "HTTP 401")
    assert refused_tokens(tmp_path, AccountKey(DEFAULT, "cdn.emnify.net")).refusal_of(TOKEN) is not None
    assert refused_tokens(tmp_path, AccountKey(DEFAULT, "bics.test")).refusal_of(TOKEN) is None
    assert refused_tokens(tmp_path, AccountKey("depot", "cdn.emnify.net")).refusal_of(TOKEN) is None
