"""The files of runs that other hosts carried out: from the ledger and the store that the hosts share.

A file that is asked for is fetched into the home of the server, its SHA-256 compared: from there it is given out as any
other. Which may be asked for is said by `left_files`. Without a store there is nothing here.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simtandem.prefect_server.left_files import file_of, is_folder
from simtandem.settings import Settings, load_home

if TYPE_CHECKING:
    from simtandem.ledger.store import Ledger

_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class FilesOfHosts:
    """Those that the server of `home` shares. Its methods may take long, and raise `SimtandemError`."""

    home: Path
    load: Callable[..., Settings] = load_home

    def fetch(self, path: str) -> None:
        """Have that file in the home, where a run left it that may be asked for."""
        named = file_of(path)
        shared = named and self._shared(named[0])
        if named and shared and shared.store is not None:
            from simtandem.runs.shared_files import brought

            with closing(_opened(shared)) as ledger:
                brought(shared, ledger, _run_of(path), [named[1]])

    def names(self, folder: str) -> list[str]:
        """What may be asked for of a run, as paths below its folder, which ends with a slash."""
        shared = self._shared(folder)
        if shared is None or shared.store is None:
            return []
        from simtandem.ledger import run_files

        with closing(_opened(shared)) as ledger:
            return [name for name in run_files.kept(ledger, _run_of(folder)) if file_of(f"{folder}{name}")]

    def of(self, flow_run: str) -> list[str]:
        """The folder of the run that a flow run is now, with a slash at its end."""
        shared = self.load(home=self.home)
        if not shared.ledger().startswith("postgres"):
            return []
        from simtandem.ledger import flow_runs

        with closing(_opened(shared)) as ledger:
            folder = f"runs/{flow_runs.found(ledger.database, flow_run).run_id}/"
        return [folder] if is_folder(folder) else []

    def _shared(self, folder: str) -> Settings | None:
        """The settings of the home, for what hosts may share."""
        return self.load(home=self.home) if folder.startswith("runs/") else None


def _opened(settings: Settings) -> "Ledger":
    """Open the ledger. Most servers never do, and what they need for it takes time to load: so here, and above."""
    from simtandem.ledger.store import Ledger

    return Ledger.open(settings.ledger(), busy_timeout=_PATIENCE_S)


def _run_of(folder: str) -> str:
    return folder.split("/")[1]
