"""A folder that somebody else filled, where an operator happens to type: whatever can be read there does harm."""

import stat
from pathlib import Path

MODULES = ("rich", "polars", "prefect", "httpx", "typer", "yaml", "tasks", "schemas", "sitecustomize", "usercustomize")


class HostileFolder:
    """Modules, settings and log configurations that leave a mark in another folder as soon as they are used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._marks = path.with_name(f"{path.name}-marks")
        self._marks.mkdir()
        path.mkdir()
        for name in MODULES:
            (path / f"{name}.py").write_text(self._bomb(name))
        (path / "flows").mkdir()
        for name in ("__init__", "bulk_update"):
            (path / "flows" / f"{name}.py").write_text(self._bomb(f"flows-{name}"))
        self.log_configuration(path / "logging.yml", "logging")
        self.profiles(path / "profiles.toml", "profiles")
        (path / ".env").write_text("PREFECT_LOGGING_SETTINGS_PATH=logging.yml\nPREFECT_PROFILES_PATH=profiles.toml\n")
        (path / "prefect.toml").write_text("[logging]\nconfig_path = 'logging.yml'\n")
        (path / "pyproject.toml").write_text("[tool.prefect.logging]\nconfig_path = 'logging.yml'\n")
        self._files = self._listing()

    def log_configuration(self, path: Path, mark: str) -> Path:
        """A configuration of logging that leaves this mark when Prefect reads it."""
        path.write_text(
            "version: 1\nhandlers:\n  harm:\n    '()': subprocess.check_call\n"
            f"    args: [touch, '{self._marks / mark}']\nloggers:\n  prefect.extra:\n    handlers: [harm]\n"
        )
        return path

    def profiles(self, path: Path, mark: str) -> Path:
        """Profiles of Prefect whose active one names such a configuration."""
        harm = self.log_configuration(path.with_name(f"{path.name}.yml"), mark)
        path.write_text(
            f'active = "ephemeral"\n[profiles.ephemeral]\nPREFECT_LOGGING_SETTINGS_PATH = "{harm}"\n'
            'PREFECT_LOGGING_CONFIG_PATH = "{harm}"\n'.replace("{harm}", str(harm))
        )
        return path

    def harm(self) -> list[str]:
        """What did its harm, and what was left in the folder beside its own files."""
        left = self._listing() - self._files
        return sorted([mark.name for mark in self._marks.iterdir()] + [f"left {name}" for name in left])

    def _bomb(self, name: str) -> str:
        return f"open({str(self._marks / name)!r}, 'w').close()\n"

    def _listing(self) -> set[str]:
        return {str(path.relative_to(self.path)) for path in self.path.rglob("*")}


def open_to_others(folder: Path) -> list[str]:
    """What `find FOLDER -perm /077` prints: all in it, and itself, that others may read, write or enter."""
    found = [path for path in (folder, *folder.rglob("*")) if not path.is_symlink()]
    return sorted(str(path) for path in found if stat.S_IMODE(path.lstat().st_mode) & 0o077)
