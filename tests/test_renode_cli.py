"""Commands on Renode that are interrupted, and two of them at once: both are clean."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from board_programs import program

pytestmark = [pytest.mark.xdist_group("renode"), pytest.mark.usefixtures("renode_here")]
PATIENCE_S = 300  # until the test gives up; nothing here waits for time to pass


@contextmanager
def shell(temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """`hil renode shell` at a board that has booted, with a folder of its own for temporary files."""
    temporary.mkdir()
    command = [sys.executable, "-m", "hil", "renode", "shell", "--elf", str(program("echo"))]
    known = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=known
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def ask(running: subprocess.Popen[str], line: str) -> str:
    assert running.stdin is not None and running.stdout is not None
    running.stdin.write(f"{line}\n")
    running.stdin.flush()
    return running.stdout.readline()


def renode_of(running: subprocess.Popen[str]) -> int:
    """A handle of the process that runs its Renode."""
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    return os.pidfd_open(int(children[0]))


def test_ctrl_c_in_the_middle_ends_one_run_and_not_the_other(tmp_path: Path) -> None:
    with shell(tmp_path / "one") as one, shell(tmp_path / "other") as other:
        assert all(ask(running, "run 0.1").startswith("0.100000 s") for running in (one, other))
        renode = renode_of(one)
        assert one.stdin is not None
        one.stdin.write("run 100000\n")
        one.stdin.flush()
        one.send_signal(signal.SIGINT)
        said = one.communicate(timeout=PATIENCE_S)[1]
        assert one.returncode == 130 and "Traceback" not in said, said
        assert select.select([renode], [], [], PATIENCE_S)[0], "its Renode has not ended"
        os.close(renode)
        assert not list((tmp_path / "one").iterdir())
        assert ask(other, "run 0.1").startswith("0.200000 s")
        assert ask(other, "quit") == "" and other.wait(PATIENCE_S) == 0
    assert not list((tmp_path / "other").iterdir())
