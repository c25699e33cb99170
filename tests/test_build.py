"""How simtandem is built and installed: from files that are known by their hash, and without what runs no job.

Every rule is shown, on a few lines made up for it, to be able to fail.
"""

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.source_modules import ROOT

SCRIPTS = ("Makefile", ".ci/run", "docs/Dockerfile", "tests/simtandem/emulator/emnify_sdk.py")
Breaches = Callable[[str], list[str]]


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def commands(text: str) -> list[str]:
    """The commands of a Makefile, a Dockerfile or a shell script, each on a line of its own, variables put in."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    for name, value in re.findall(r"^(\w+) := (.*)$", text, re.MULTILINE):
        text = text.replace(f"$({name})", value)
    return [command.strip() for line in text.splitlines() for command in line.split(" && ")]


def installs_without_hashes(text: str) -> list[str]:
    """Each file that pip takes is known by its hash, nothing is built from source on the way, nothing is resolved."""
    installs = [
        c
        for c in commands(text)
        if re.search(r"\bpip3?(?: --\S+(?: /\S+)?)* (?:install|wheel|download)\b", c) and ":=" not in c
    ]
    whole = ("--no-deps", "--require-hashes", "--only-binary :all:")
    return [c for c in installs if "--no-index" not in c and not all(option in c for option in whole)]


def images_without_digest(text: str) -> list[str]:
    """An image is named by its digest; a build argument for it has no default."""
    images = [command for command in commands(text) if command.startswith("FROM ")]
    defaults = [command for command in commands(text) if re.match(r"ARG \w*DIGEST=", command)]
    return [i for i in images if not re.match(r"FROM \S+@(\$\{\w+DIGEST\}|sha256:[0-9a-f]{64})( |$)", i)] + defaults


def final_stage(text: str) -> list[str]:
    every = commands(text)
    return every[max(number for number, command in enumerate(every) if command.startswith("FROM ")) :]


def tools_in_the_image(text: str) -> list[str]:
    """What is built comes from a stage before; the image that runs has no pip, no sources, no development tools."""
    stage = final_stage(text)
    wrong = [c for c in stage if re.search(r"pip\S* .*\binstall\b|apt-get|requirements|hatchling", c)]
    wrong += [c for c in stage if c.startswith(("COPY", "ADD")) and "--from=build" not in c]
    return wrong if any("pip uninstall" in c for c in stage) else [*wrong, "pip stays"]


def image_runs_as_root(text: str) -> list[str]:
    """The last word on the user is a number other than 0, so that Kubernetes can tell, too."""
    users = [command for command in final_stage(text) if command.startswith("USER ")]
    return [] if users and re.fullmatch(r"USER [1-9]\d*:[1-9]\d*", users[-1]) else ["it runs as root"]


def image_without_health(text: str) -> list[str]:
    """Docker can tell whether the server answers."""
    return [] if any(c.startswith("HEALTHCHECK ") and "/api/health" in c for c in final_stage(text)) else ["no check"]


@pytest.mark.parametrize("path", [path for path in SCRIPTS if not path.endswith(".py")])
def test_nothing_is_installed_that_is_not_known_by_its_hash(path: str) -> None:
    assert installs_without_hashes(read(path)) == []


def test_the_environment_of_the_carriers_sdk_is_installed_by_hash_too() -> None:
    assert all(f'"{word}"' in read(SCRIPTS[-1]) for word in ("--no-deps", "--require-hashes", "--only-binary", ":all:"))


OF_THE_IMAGE: list[Breaches] = [images_without_digest, tools_in_the_image, image_runs_as_root, image_without_health]


@pytest.mark.parametrize("rule", OF_THE_IMAGE, ids=lambda rule: rule.__name__)
def test_the_rule_holds_for_the_image(rule: Breaches) -> None:
    assert rule(read("docs/Dockerfile")) == []


BREACHES: list[tuple[Breaches, str]] = [
    (installs_without_hashes, "\t@$(BIN)/python -m pip install --editable ."),
    (installs_without_hashes, "PINNED := --require-hashes\n\tpip install $(PINNED) -r a.txt"),
    (installs_without_hashes, 'RUN mkdir a \\\n    && pip install --no-cache-dir "hatchling>=1.27"'),
    (installs_without_hashes, "pip wheel --no-deps ."),
    (images_without_digest, "FROM python:3.11-slim-bookworm"),
    (images_without_digest, "ARG PYTHON_DIGEST=sha256:1\nFROM python@${PYTHON_DIGEST}"),
    (images_without_digest, "FROM python:3.11@${PYTHON_DIGEST} AS build\nFROM debian:12"),
    (tools_in_the_image, "FROM a\nRUN pip uninstall pip\nRUN pip install b"),
    (tools_in_the_image, "FROM a\nRUN pip uninstall pip\nCOPY tests tests"),
    (tools_in_the_image, "FROM a\nRUN true"),
    (image_runs_as_root, "FROM a\nUSER 1:1\nFROM b"),
    (image_runs_as_root, "FROM a\nUSER 1:1\nUSER root"),
    (image_without_health, "FROM a\nHEALTHCHECK NONE"),
]


@pytest.mark.parametrize(("rule", "text"), BREACHES)
def test_each_rule_can_fail(rule: Breaches, text: str) -> None:
    assert rule(text) != []


def would_run(target: str, home: Path) -> str:
    """What make would do for this target on a fresh clone."""
    command = ["make", "--dry-run", "--no-print-directory", f"VENV={home / '.venv'}", target]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("target", ["install", "demo", "up"])
def test_no_development_tools_are_installed_to_run_it(target: str, tmp_path: Path) -> None:
    run = would_run(target, tmp_path)

    assert "requirements.txt" in run
    assert "requirements-dev" not in run
    assert "emnify_sdk" not in run


@pytest.mark.parametrize("target", ["test", "operation", "commands", "modules", "types", "check", "bench", "dev"])
def test_everything_that_is_needed_to_test_it_is_installed_first(target: str, tmp_path: Path) -> None:
    run = would_run(target, tmp_path)

    assert run.index("-r requirements.txt") < run.index("-r requirements-dev.txt") < run.index("emnify_sdk.py")


def test_a_check_runs_every_test_once(tmp_path: Path) -> None:
    targets = re.findall(r"^make .*--jobs .*$", would_run("check", tmp_path), re.MULTILINE)[0].split()
    assert {"commands", "operation", "modules"} < set(targets)
    by_name = [word for target in ("commands", "operation") for word in would_run(target, tmp_path).split()]
    ignored = re.findall(r"--ignore (\S+)", would_run("modules", tmp_path))
    assert set(ignored) == {word for word in by_name if word.startswith("tests/") and "emnify_sdk" not in word}
    assert all((ROOT / each).exists() for each in ignored)


def test_the_tools_that_build_it_do_not_stay(tmp_path: Path) -> None:
    run = would_run("install", tmp_path).splitlines()
    tools = [number for number, line in enumerate(run) if "requirements-build.txt" in line]

    assert tools
    assert f"rm -rf {tmp_path}/.venv/build" in run[tools[-1] :]


def test_the_wheel_holds_every_file_that_runs_and_no_other(tmp_path: Path) -> None:
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    run = [sys.executable, "-c", build, str(tmp_path)]
    name = subprocess.run(run, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()[-1]
    with zipfile.ZipFile(tmp_path / name) as wheel:
        packed = {file for file in wheel.namelist() if ".dist-info/" not in file}
    tracked = ["git", "ls-files", "simtandem", "flows", "tasks", "schemas", "data"]
    sources = subprocess.run(tracked, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    there = {re.sub(r"^data/", "simtandem/samples/", file) for file in sources if (ROOT / file).exists()}

    assert there - packed == set()
    assert packed - there == {"simtandem/prefect.yaml", "simtandem/prefect.toml"}


def test_the_wheel_is_built_with_pinned_tools_only(tmp_path: Path) -> None:
    run = would_run("wheel", tmp_path)

    assert installs_without_hashes(run) == []
    assert run.index("requirements-build.txt") < run.index("build_wheel")


SOURCES = ("simtandem", "tasks", "flows", "schemas", "tests", "docs", "data", ":(glob)*.py")


def ignored_sources(root: Path) -> list[str]:
    """Git ignores no file of the sources: it would be there for whoever wrote it, and in no clone."""
    made = (":(exclude,glob)**/__pycache__/**", ":(exclude)tests/operation/screenshots")
    command = ["git", "ls-files", "--others", "--ignored", "--exclude-standard", "--", *SOURCES, *made]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.splitlines()


def test_git_ignores_no_file_of_the_sources() -> None:
    assert ignored_sources(ROOT) == []


def test_a_source_that_git_ignores_is_found(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)  # noqa: S607 - git is where it is
    for name in ("simtandem/runs/pipeline.py", "simtandem/__pycache__/made.pyc", "setup.py", "data/kept.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_text("runs/\n__pycache__/\nsetup.py\n")
    assert ignored_sources(tmp_path) == ["setup.py", "simtandem/runs/pipeline.py"]


def test_another_python_is_told_which_one_is_needed_before_anything_is_installed(tmp_path: Path) -> None:
    other = tmp_path / "python3.13"
    other.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'import sys; sys.version_info = (3, 13); exec(sys.argv[1])' \"$2\"\n"
    )
    other.chmod(0o755)
    made = subprocess.run(
        [str(shutil.which("make")), f"PYTHON={other}", f"VENV={tmp_path / 'venv'}", "install"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode
    assert f"simtandem needs Python 3.11, and {other} is 3.13. Nothing was installed." in made.stderr
    assert not (tmp_path / "venv").exists()


def test_the_version_of_python_is_the_same_wherever_it_is_named() -> None:
    assert 'requires-python = ">=3.11,<3.12"' in read("pyproject.toml")
    assert "(3, 11)" in read("Makefile")
    assert "It needs Python 3.11, no older" in read("README.md")
