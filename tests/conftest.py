"""What all tests share: clean settings, and no test left out where everything it needs should be there."""

import os

import pytest


@pytest.fixture(autouse=True)
def _clean_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the settings of whoever runs it."""
    for name in [
        name for name in os.environ if name.startswith("SIMTANDEM_") and not name.startswith("SIMTANDEM_TEST_")
    ]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Unattended, a skipped test is a failure: its service should have been there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped") and exitstatus == 0:
        reporter.write_line(f"{len(reporter.stats['skipped'])} tests were skipped, which is a failure here", red=True)
        session.exitstatus = 1
