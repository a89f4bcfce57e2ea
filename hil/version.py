"""Which version of the bench this is, down to the commit."""

from __future__ import annotations

import hashlib
import subprocess
from importlib.resources import files
from pathlib import Path

from hil import __version__

_COMMIT_FILE = "_commit.txt"  # written into wheel and sdist as they are built


def described() -> str:
    """The version with the commit it was made of, such as "0.2.0 (a5b50e0f21)"; "-dirty" for a changed checkout."""
    found = commit()
    return f"{__version__} ({found})" if found else __version__


def exactly() -> str:
    """The same, with a digest of the sources where no commit says what they are: for results that are kept."""
    found = commit()
    return described() if found and not found.endswith("-dirty") else f"{described()} {_sources()}"


def _sources() -> str:
    """A digest of the package's sources."""
    package = Path(str(files("hil")))
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def commit() -> str:
    """git's short name of the sources' commit; empty if unknown."""
    package = Path(str(files("hil")))
    try:
        return (package / _COMMIT_FILE).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return _ask_git(package.parent)


def _ask_git(checkout: Path) -> str:
    if not (checkout / ".git").exists():
        return ""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
