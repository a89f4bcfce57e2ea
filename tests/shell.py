"""Blocks of the documentation in a shell, with the commands of this environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from doc_blocks import REPOSITORY

PATIENCE_S = 560  # then everything that the code has started is ended


def run_shell(code: str, folder: Path) -> str:
    """Run code in a folder and return what it prints. A command that fails fails the test, with its output."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    environment.pop("HIL_BOARDS", None)
    with subprocess.Popen(
        ["sh", "-euc", code], cwd=folder, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as shell:  # fmt: skip
        try:
            said, complaint = shell.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            raise
    assert shell.returncode == 0, said[-3000:] + complaint[-3000:]
    return said
