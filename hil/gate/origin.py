"""Where results come from: the commit, the branch, whether the tree had changes, the computer."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from hil.version import described

# what a detached checkout in CI is of, by the variable that the service sets
_BRANCHES = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_BRANCH")


def origin(folder: Path) -> dict[str, Any]:
    """As it stands in results. commit, branch, dirty and committed (ISO 8601) are null where there is no git checkout.

    The computer is told by its kind, never by name.
    """
    commit, committed = (_git(folder, "log", "-1", f"--format={what}") for what in ("%H", "%cI"))
    branch = _git(folder, "symbolic-ref", "--short", "-q", "HEAD")
    branch = branch or next(filter(None, map(os.environ.get, _BRANCHES)), "")
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {
        "commit": commit or None,
        "committed": committed or None,
        "branch": (branch or None) if commit else None,
        "dirty": bool(status) if commit else None,
        "host": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "hil": described(),
    }


def _git(folder: Path, *arguments: str) -> str:
    """What git says; empty where it says nothing or is not there."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, errors="replace")
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
