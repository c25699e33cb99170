from pathlib import Path

import pytest

from tests.simtandem.cli.past_runs import Past


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Past:
    monkeypatch.setenv("SIMTANDEM_HOME", str(tmp_path / "home"))
    return Past(tmp_path)
