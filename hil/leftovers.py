"""What a process that was killed leaves behind goes when the next one comes by: names say whose it was."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path

_OURS = re.compile(r"-([0-9a-f]{6})-([0-9]+)-[0-9a-f]{8}\b")


def own_name(prefix: str, suffix: str = "") -> str:
    """A name for something that lasts no longer than this process."""
    return f"{prefix}-{_machine()}-{os.getpid()}-{secrets.token_hex(4)}{suffix}"


def sweep(folder: Path, pattern: str) -> None:
    """Remove what processes of this user on this machine have left of such names. What cannot be removed stays."""
    if not hasattr(os, "getuid"):  # Windows: there is no asking after a process without harm to it
        return
    with suppress(OSError):
        for path in folder.glob(pattern):
            if _is_left(path):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _is_left(path: Path) -> bool:
    found = _OURS.search(path.name)
    if found is None or found[1] != _machine() or path.is_symlink() or path.lstat().st_uid != os.getuid():
        return False
    try:
        os.kill(int(found[2]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


@cache
def _machine() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]
