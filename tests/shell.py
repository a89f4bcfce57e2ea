"""Blocks of the documentation in a shell, with the commands of this environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from doc_blocks import REPOSITORY


def run_shell(code: str, folder: Path) -> str:
    """Run code in a folder and return what it prints. A command that fails fails the test, with its output."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    environment.pop("HIL_BOARDS", None)
    done = subprocess.run(["sh", "-euc", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout
