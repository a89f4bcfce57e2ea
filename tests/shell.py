"""Blocks of the documentation in a shell, with the commands of this environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from doc_blocks import REPOSITORY

PATIENCE_S = 560  # then everything that the code has started is ended


@contextmanager
def shell(code: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Code in a folder, started, with pipes. What of it still runs at the end, or after PATIENCE_S, is killed."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    environment.pop("HIL_BOARDS", None)
    with subprocess.Popen(
        ["sh", "-euc", code], cwd=folder, env=environment, text=True, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as started:  # fmt: skip
        patience = threading.Timer(PATIENCE_S, os.killpg, (started.pid, signal.SIGKILL))
        patience.start()
        try:
            yield started
        finally:
            patience.cancel()
            if started.poll() is None:
                os.killpg(started.pid, signal.SIGKILL)


def run_shell(code: str, folder: Path) -> str:
    """Run code in a folder and return what it prints. A command that fails fails the test, with its output."""
    with shell(code, folder) as started:
        said, complaint = started.communicate()
    assert started.returncode == 0, said[-3000:] + complaint[-3000:]
    return said
