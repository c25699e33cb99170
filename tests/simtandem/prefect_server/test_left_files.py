"""Which files may be asked for from outside, and which may not, however they are asked for."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from simtandem.prefect_server.left_files import LeftFiles

KEPT = timedelta(days=90)
RUN = "runs/20260301T140000-abc123"
PERIOD = "reports/2026-02-01_2026-02-28"


@pytest.fixture
def left(tmp_path: Path) -> LeftFiles:
    home = tmp_path / "home"
    for path in (
        f"{RUN}/report.html",
        f"{RUN}/results.csv",
        f"{RUN}/work/plan.parquet",
        f"{RUN}/report-csv/steps.csv",
        f"{RUN}/.writing.csv",
        f"{RUN}/notes.txt",
        f"{PERIOD}/index.html",
        f"reports/eu/{PERIOD.removeprefix('reports/')}/report.xlsx",
        "ledger.sqlite",
        "prefect/auth",
        "settings.toml",
        "runs/report.html",
    ):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(path)
    return LeftFiles(home)


def _read(left: LeftFiles, path: str) -> str | None:
    found = left.open(path)
    if found is None:
        return None
    with os.fdopen(found.descriptor) as file:
        return file.read()


@pytest.mark.parametrize(
    "path",
    [
        f"{RUN}/report.html",
        f"{RUN}/results.csv",
        f"{RUN}/report-csv/steps.csv",
        f"{PERIOD}/index.html",
        f"reports/eu/{PERIOD.removeprefix('reports/')}/report.xlsx",
    ],
)
def test_what_a_run_or_a_period_left_is_given_out(left: LeftFiles, path: str) -> None:
    assert _read(left, path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "ledger.sqlite",
        "settings.toml",
        "prefect/auth",
        "runs/report.html",
        RUN,
        f"{RUN}/",
        f"{RUN}/work/plan.parquet",
        f"{RUN}/.writing.csv",
        f"{RUN}/notes.txt",
        f"{RUN}/absent.csv",
        f"{RUN}/../report.html",
        f"{RUN}/../../ledger.sqlite",
        f"{RUN}/report-csv/../report.html",
        f"{RUN}/report-csv/../../../prefect/auth",
        f"{RUN}//report.html",
        f"/{RUN}/report.html",
        f"{RUN}/report.html\0.csv",
        f"{RUN}/report.html\n",
        f"{RUN}/%2e%2e/report.html",
        f"{RUN}\\report.html",
        f"runs/./{RUN.removeprefix('runs/')}/report.html",
        "runs/latest/report.html",
        f"reports/../{RUN}/report.html",
        f"reports/../{PERIOD.removeprefix('reports/')}/index.html",
    ],
)
def test_nothing_else_is(left: LeftFiles, path: str) -> None:
    assert left.open(path) is None


def _links_to(target: str) -> Callable[[Path], None]:
    def replace(place: Path) -> None:
        place.symlink_to(place.parent / target)

    return replace


@pytest.mark.parametrize("make", [_links_to("../../prefect/auth"), os.mkfifo, Path.mkdir])
def test_what_is_no_file_of_the_run_itself_is_not(left: LeftFiles, make: Callable[[Path], None]) -> None:
    make(left.home / RUN / "stolen.csv")
    assert left.open(f"{RUN}/stolen.csv") is None
    assert "stolen.csv" not in (left.names(f"{RUN}/") or [])


def test_a_folder_that_is_a_link_is_not_followed(left: LeftFiles, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "report.html").write_text("of someone else")
    (left.home / "runs" / "20260301T150000-abc123").symlink_to(elsewhere)
    assert left.open("runs/20260301T150000-abc123/report.html") is None
    assert left.names("runs/20260301T150000-abc123/") is None


def test_no_descriptor_is_left_open(left: LeftFiles) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - what it lists is gone as it is read
    for path in (f"{RUN}/absent.csv", f"{RUN}/work/plan.parquet", f"{RUN}/report-csv/absent.csv"):
        left.open(path)
    left.names(f"{RUN}/")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_the_page_is_named_first_and_what_is_not_given_out_not_at_all(left: LeftFiles) -> None:
    assert left.names(f"{RUN}/") == ["report.html", "report-csv/steps.csv", "results.csv"]
    assert left.names("runs/20260301T140000-ffffff/") is None
    assert left.names("runs/") is None


def test_a_flow_run_knows_where_it_left_its_files(left: LeftFiles) -> None:
    flow_run = str(uuid4())
    assert left.of(flow_run) == []
    for _ in range(2):
        left.note(flow_run, f"{RUN}/", KEPT)
    left.note(flow_run, f"{PERIOD}/", KEPT)
    assert left.of(flow_run) == [f"{RUN}/", f"{PERIOD}/"]
    assert left.of(str(uuid4())) == []
    with pytest.raises(ValueError, match="UUID"):
        left.of("../../settings")


def test_notes_of_flow_runs_that_prefect_keeps_no_longer_are_removed(left: LeftFiles) -> None:
    old, young = str(uuid4()), str(uuid4())
    for each in (old, young):
        left.note(each, f"{RUN}/", KEPT)
    folder = left.home / "prefect" / "flow-runs"
    long_ago = time.time() - KEPT.total_seconds() - 60
    for name in (f"{old}.json", "another.txt"):
        (folder / name).touch()
        os.utime(folder / name, (long_ago, long_ago))
    left.note(str(uuid4()), f"{RUN}/", KEPT)
    assert (left.of(old), left.of(young)) == ([], [f"{RUN}/"])
    assert (folder / "another.txt").exists(), "simtandem did not put it there"


def test_a_note_that_somebody_else_wrote_leads_nowhere(left: LeftFiles) -> None:
    flow_run = str(uuid4())
    left.note(flow_run, f"{RUN}/", KEPT)
    [note] = (left.home / "prefect" / "flow-runs").iterdir()
    note.write_text('["../../etc/", "runs/../prefect/", 7]')
    assert left.of(flow_run) == []
    note.write_text("no JSON")
    assert left.of(flow_run) == []
