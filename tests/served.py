"""A simulated board behind a pseudo-terminal, in a process of its own: `hil serve`."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HIL = [sys.executable, "-c", "from hil.cli import main; main()"]


@dataclass(frozen=True)
class Served:
    """A board that is being served. port: what to open."""

    port: Path
    elf: Path
    process: subprocess.Popen[str]

    def kill(self) -> None:
        """As if the cable were pulled: the link goes too, for its pseudo-terminal's number is soon somebody else's."""
        self.process.kill()
        self.process.wait()
        self.port.unlink(missing_ok=True)


@contextlib.contextmanager
def serve(elf: Path, port: Path, *options: str | Path) -> Iterator[Served]:
    """Start serving; returns when the port is there, ends the process at the end."""
    command = [*HIL, "serve", "--elf", str(elf), "--pty", str(port), *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    try:
        assert f" at {port}, " in first, first + process.stdout.read()
        yield Served(port, elf, process)
    finally:
        process.terminate()
        process.communicate()
