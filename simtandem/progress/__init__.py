"""Progress of a run: what it reports while it goes, what that comes to, and how it is asked to stop."""

from simtandem.progress.hooks import ProgressHooks, attended, current, install, own
from simtandem.progress.meter import Meter, Sending

__all__ = ["Meter", "ProgressHooks", "Sending", "attended", "current", "install", "own"]
