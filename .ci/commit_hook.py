"""What hatchling does beside packing: it writes the commit into wheel and sdist, where `hil --version` reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMMIT_FILE = "hil/_commit.txt"


class CommitHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds hil/_commit.txt: what git says here, else what an sdist says of itself; an editable checkout has none."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if version == "editable" or (root / COMMIT_FILE).exists() or not (root / ".git").exists():
            return
        path = Path(self.directory) / "commit.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._commit() + "\n", encoding="ascii")
        build_data["force_include"][str(path)] = COMMIT_FILE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        (Path(self.directory) / "commit.txt").unlink(missing_ok=True)

    def _commit(self) -> str:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
        try:
            return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False).stdout.strip()
        except OSError:
            return ""
