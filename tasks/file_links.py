"""Links from Prefect's UI to the files of runs, where its server gives them out. No path on a disk is ever shown."""

from collections.abc import Mapping
from pathlib import Path

from prefect.context import FlowRunContext

from simtandem.prefect_server.left_files import LeftFiles
from simtandem.prefect_server.prefect_settings import gives_out_files, is_at_home, kept_for
from simtandem.settings import Settings
from simtandem.text.escaping import Markdown, joined, link, markdown, prose

_DOT = " · "


def note_files(home: Path, folder: str) -> None:
    """Let the flow run that this is lead to the files in that folder, such as `runs/20260301T140000-abc123/`."""
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None and is_at_home(home):
        LeftFiles(home).note(str(context.flow_run.id), folder, kept_for())


def where_files_are(settings: Settings, run_id: str, files: Mapping[str, str]) -> Markdown:
    """Links to these files of a run; their names, and how to find them, where the server does not give them out."""
    names = [Path(path).name for path in files.values()]
    if not gives_out_files(settings):
        told = joined(_DOT, [prose(name) for name in names])
        if settings.store is not None:
            return markdown("Run {}. Its files are in the store that the hosts share: {}.", run_id, told)
        return markdown("Run {}. Its files are on the machine that ran it: {}.", run_id, told)
    folder = f"/simtandem/runs/{run_id}/"
    links = [link(name, folder + name) for name in sorted(names, key=lambda name: not name.endswith(".html"))]
    return markdown("Run {}: {} · {}", run_id, joined(_DOT, links), link("all files", folder))


def where_reports_are(home: Path, files: Mapping[str, str]) -> Markdown:
    """Links to the reports of a period, by format; their names where the server is not this home's."""
    if not is_at_home(home):
        return markdown("On the machine that ran it, in `reports`: {}.", joined(_DOT, [prose(name) for name in files]))
    links = []
    for name, path in files.items():
        place = Path(path).relative_to(home)
        folder = place.suffix == ""  # of one file a table
        links.append(link(name, f"/simtandem/{place.parent if folder else place}{'/' if folder else ''}"))
    return joined(_DOT, links)
