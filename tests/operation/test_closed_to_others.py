"""`simtandem up` was typed in a folder that somebody else filled: that does nothing, and nobody else gets in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.statuses import EndpointStatus, SimStatus
from simtandem.emulator.seeding import Group
from tests.hostile_folder import open_to_others
from tests.operation.site import Site, pasted, until

pytestmark = pytest.mark.timeout(600)


def test_a_site_uses_nothing_that_lies_where_it_was_started_and_leaves_nothing_open(
    site: Site, fleet: Callable[..., None]
) -> None:
    fleet(Group(20, SimStatus.ISSUED, EndpointStatus.DISABLED), latency_s=0.3)
    run = site.begin(file=pasted(20), mode="apply")
    until(lambda: site.processes("flow") != [], "a run's process")
    for pid in site.processes():
        assert Path(f"/proc/{pid}/cwd").readlink() != site.hostile.path
        status = Path(f"/proc/{pid}/status").read_text()
        assert "Umask:\t0077" in status, Path(f"/proc/{pid}/cmdline").read_bytes()
    [flow] = site.processes("flow")
    environment = Path(f"/proc/{flow}/environ").read_bytes().split(b"\0")
    assert b"PYTHONSAFEPATH=1" in environment
    assert site.reaches(run)["type"] == "COMPLETED"
    assert site.hostile.harm() == []
    assert open_to_others(site.home) == []
