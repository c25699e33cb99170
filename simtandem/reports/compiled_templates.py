"""Page templates that are compiled already; compiling them takes longer than to fill in a page.

`python -m` this module compiles them once for an installation. What others may write to is left alone, as is what was
compiled of another text, by another version of Jinja or with other settings of `page_shell`.
"""

import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from jinja2 import BytecodeCache, Environment, FileSystemBytecodeCache
from jinja2.bccache import Bucket

from simtandem.host.installation import is_safe, kept_folder

_NAMES = "%s.bin"


class CompiledTemplates(BytecodeCache):
    """Reads what an installation keeps. What is not there is compiled as ever, and not kept."""

    def __init__(self, folder: Path) -> None:
        """`folder` has a file for each template."""
        self._folder = folder
        self._files = FileSystemBytecodeCache(str(folder), _NAMES)

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take the code from its file, if the file can be trusted: it is run."""
        if is_safe(self._folder / (_NAMES % bucket.key)):
            self._files.load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Leave the installation as it is."""


def templates_folder(settings: Path) -> Path:
    """Where this installation keeps templates compiled with the settings that a module makes, or would."""
    of_settings = hashlib.sha256(settings.read_bytes()).hexdigest()[:16]
    return kept_folder(f"pages-{version('jinja2')}-{of_settings}")


def make_templates(environment: Environment, names: Iterable[str], folder: Path) -> list[Path]:
    """Compile templates into a folder, which then has nothing else; returns its files."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    kept = FileSystemBytecodeCache(str(folder), _NAMES)
    kept.clear()
    fresh = environment.overlay()
    fresh.bytecode_cache = kept
    for name in names:
        fresh.get_template(name)
    made = sorted(folder.iterdir())
    for each in made:
        each.chmod(0o644)
    return made


def make_for_installation() -> None:
    """What `make install` does once."""
    from simtandem.reports import page_shell  # noqa: PLC0415 - it imports this module when it makes pages

    make_templates(page_shell.environment(), page_shell.TEMPLATES, templates_folder(Path(page_shell.__file__)))


if __name__ == "__main__":
    make_for_installation()
