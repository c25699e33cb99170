"""docs/simtandem.service: what it may not do, and that it can still do its job."""

import re
import shutil
import subprocess

import pytest

from tests.source_modules import ROOT

UNIT = ROOT / "docs/simtandem.service"
HIGHEST_EXPOSURE = 3.0


def directives() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_its_exposure_is_low() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=100", "--no-pager", str(UNIT)]
    judged = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", judged)

    assert level is not None
    assert float(level[1]) < HIGHEST_EXPOSURE, judged


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("User", "simtandem"),
        ("NoNewPrivileges", "true"),
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "true"),
        ("PrivateTmp", "true"),
        ("PrivateDevices", "true"),
        ("RestrictNamespaces", "true"),
        ("SystemCallArchitectures", "native"),
        ("UMask", "0077"),
    ],
)
def test_it_is_kept_in_its_own_room(name: str, value: str) -> None:
    assert directives()[name] == [value]


def test_its_home_is_writable() -> None:
    unit = directives()

    assert unit["Environment"] == [f"SIMTANDEM_HOME=/var/lib/{unit['StateDirectory'][0]}"]
    assert unit["WorkingDirectory"] == [f"/var/lib/{unit['StateDirectory'][0]}"]


def test_it_reaches_the_network_and_can_tell_its_host() -> None:
    unit = directives()

    assert set(unit["RestrictAddressFamilies"][0].split()) >= {"AF_INET", "AF_INET6", "AF_UNIX"}
    assert "PrivateNetwork" not in unit
    assert "IPAddressDeny" not in unit
    assert "ProcSubset" not in unit  # /proc/sys/kernel/random/boot_id


def test_a_call_that_is_not_allowed_fails_instead_of_killing_the_service() -> None:
    assert directives()["SystemCallErrorNumber"] == ["EPERM"]


def test_it_stops_in_good_order() -> None:
    unit = directives()

    assert (unit["KillSignal"], unit["KillMode"]) == (["SIGINT"], ["mixed"])
    assert int(unit["TimeoutStopSec"][0]) >= 90
