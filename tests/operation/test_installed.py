"""simtandem installed from its wheel: an environment of its own elsewhere, the command on the PATH, no checkout near.

The environment is laid out as pipx and `uv tool` lay it out. What simtandem depends on is not installed again: the
environment looks for it where these tests have it.
"""

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import prefect
import pytest

from simtandem.emulator.seeding import Group
from simtandem.emulator.server import Emulator
from tests.free_port import free_port
from tests.operation.conftest import TOKEN
from tests.operation.site import FIRST, PATIENCE_S, Site, pasted
from tests.source_modules import ROOT

pytestmark = pytest.mark.timeout(600)
_PACKED = "from hatchling.build import build_wheel; print(build_wheel({folder!r}))"


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed command: a link to it in a folder of the PATH."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-c", _PACKED.format(folder=str(folder))]
    name = subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()[-1]
    own = folder / "venvs" / "simtandem"
    venv.create(own, symlinks=True, with_pip=False)
    [packages] = own.glob("lib/python3*/site-packages")
    (packages / "dependencies.pth").write_text(f"{Path(prefect.__file__).parents[1]}\n")
    into = [sys.executable, "-m", "pip", "--python", str(own), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*into, "--force-reinstall", str(folder / name)], check=True, cwd=folder)
    link = folder / "bin" / "simtandem"
    link.parent.mkdir()
    link.symlink_to(own / "bin" / "simtandem")
    return link


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, command: Path, emulator: Emulator) -> Iterator[Site]:
    """`simtandem up` of the wheel, in a folder that is no checkout."""
    variables = {
        "SIMTANDEM_EMNIFY_URL": emulator.url,
        "SIMTANDEM_EMNIFY_TOKEN": TOKEN,
        "PATH": f"{command.parent}:{os.environ['PATH']}",
    }
    site = Site(tmp_path_factory.mktemp("elsewhere"), free_port(), variables, command=command.name)
    try:
        site.start()
        yield site
    finally:
        site.end_everything()


def test_nothing_of_it_comes_from_the_checkout(command: Path) -> None:
    program = (
        "import simtandem, flows, tasks, schemas; print(*(m.__file__ for m in (simtandem, flows, tasks, schemas)))"
    )
    python = command.resolve().with_name("python")
    run = subprocess.run([python, "-c", program], cwd=command.parent, check=True, capture_output=True, text=True)

    environment = str(command.resolve().parents[1])
    assert [file.startswith(environment) for file in run.stdout.split()] == [True] * 4


def test_the_command_plans_and_applies(installed: Site, fleet: Callable[..., None]) -> None:
    fleet(Group(4))
    (installed.home.parent / "devices.csv").write_text(pasted(4))
    planned = installed.run("plan", "devices.csv", "--json")
    assert planned.returncode == 0, planned.stderr
    applied = installed.run("apply", "devices.csv", "--yes", "--accept-large", "--json")

    assert applied.returncode == 0, applied.stderr
    document = json.loads(applied.stdout)
    assert document["digest"] == json.loads(planned.stdout)["digest"]
    assert document["verdicts"]["in_sync"] == 4
    report = Path(document["files"]["report"])
    assert "<style" in report.read_text(), "templates and style sheet are in the wheel"


def test_its_worker_runs_its_deployments(installed: Site, fleet: Callable[..., None], emulator: Emulator) -> None:
    fleet(Group(3))
    deployed = installed.run("deploy")
    assert deployed.returncode == 0, deployed.stderr
    assert "  bulk-update/bulk-update\n" in deployed.stdout
    run = installed.begin(file=pasted(3), mode="apply", accept_large=True)

    assert installed.reaches(run)["type"] == "COMPLETED"
    states = emulator.change(lambda fleet: [fleet.sims[FIRST + number].status.name for number in range(3)])
    assert states == ["ACTIVATED"] * 3


def test_the_demonstration_has_its_list(installed: Site) -> None:
    demo = installed.home / "demo"
    demo.mkdir(mode=0o700)
    (demo / "prefect").symlink_to(installed.home / "prefect")
    shown = installed.run("demo", "--quiet")

    assert shown.returncode == 0, shown.stderr
    assert "258 of 274 rows are in sync." in shown.stdout


def test_its_emulator_is_a_carrier(installed: Site) -> None:
    emulator = [installed.command, "emulator", "--port", "0", "--devices", "9", "--write-csv", "ids.csv"]
    folder = installed.home.parent
    with subprocess.Popen(emulator, cwd=folder, env=installed.variables, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            said = "".join(running.stdout.readline() for _ in range(4))
            names = dict(re.findall(r"export (\w+)=(\S+)", said))
            planned = installed.run("plan", "ids.csv", "--to", "activated", "--json", **names)
        finally:
            running.terminate()
            running.wait(PATIENCE_S)

    assert json.loads(planned.stdout)["plan"]["devices"] > 0
