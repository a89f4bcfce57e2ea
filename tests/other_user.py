"""What another user gets to see: code run as one that owns nothing, given the folder `public_folder`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_NOBODY = 65534
_AS_NOBODY = """
import os, sys
from pathlib import Path
import hil.caches, hil.locks, hil.files
from hil.errors import HilError
os.geteuid() or os.setuid({nobody})
try:
    {code}
except HilError as error:
    print(error)
"""


def closed_to_others() -> str:
    """The command that lets other users import this Python's own libraries; empty where they can."""
    closed = [str(folder) for folder in Path(os.__file__).resolve().parents if not folder.stat().st_mode & 0o001]
    return " ".join(["chmod o+x", *closed]) if closed else ""


def as_another_user(code: str, *arguments: object, **environment: str) -> str:
    """What a line of Python prints, run by a user who is not root; a HilError as its message."""
    command = [sys.executable, "-c", _AS_NOBODY.format(nobody=_NOBODY, code=code), *map(str, arguments)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
