"""What another user gets to see: code run as one that owns nothing, given the folder `public_folder`."""

from __future__ import annotations

import os
import subprocess
import sys

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


def as_another_user(code: str, *arguments: object, **environment: str) -> str:
    """What a line of Python prints, run by a user who is not root; a HilError as its message."""
    command = [sys.executable, "-c", _AS_NOBODY.format(nobody=_NOBODY, code=code), *map(str, arguments)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
