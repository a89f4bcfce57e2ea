"""What is kept of a run that went wrong: Renode's log, a snapshot, the registers, the last frames."""

from __future__ import annotations

import logging
from collections import deque
from pathlib import Path

from hil.errors import HilError
from hil.files import make_folder, write_text
from hil.locks import held
from hil.targets.pyrenode.machine import Machine
from hil.targets.pyrenode.stops import Crash

FRAMES = 64  # of what was last written and read, each way
SCRIPT = """\
# renode snapshot.resc: the board as it was when its core was stopped
include $ORIGIN/snapshot.py
load_parts $ORIGIN/snapshot.dll
Load $ORIGIN/snapshot.save
mach set 0
"""
COMMAND = """\
# For snapshot.resc: the snapshot refers to the bench's parts of the platform by the name of their assembly.
from System.Reflection import Assembly


def mc_load_parts(path):
    Assembly.LoadFrom(str(path).lstrip("@"))
"""
FILES = (
    "registers.txt", "frames.txt", "renode.log", "snapshot.resc", "snapshot.py", "snapshot.dll", "snapshot.save",
)  # fmt: skip
NAMES = (*(f"r{number}" for number in range(13)), "sp", "lr", "pc", "xpsr")

log = logging.getLogger(__name__)


class Traffic:
    """What last went over the line."""

    def __init__(self) -> None:
        self._last: deque[tuple[float, str, bytes]] = deque(maxlen=FRAMES)

    def note(self, seconds: float, direction: str, data: bytes) -> None:
        """direction: "to" or "from" the firmware, at so many seconds of virtual time."""
        if data:
            self._last.append((seconds, direction, data))

    def __str__(self) -> str:
        lines = (f"{seconds:10.6f} s {direction:>4} {data.hex(' ')}" for seconds, direction, data in self._last)
        return "".join(f"{line}\n" for line in lines)


def keep(folder: Path, machine: Machine, traffic: Traffic, crash: Crash) -> dict[str, bytes]:
    """Write everything into a folder, over what an earlier run left there. The machine cannot run on after it.

    Returns what it wrote, by file name. Two processes that keep something of the same board wait for each other.
    """
    make_folder(folder)
    with held(f"the folder {folder.resolve()}"):
        _write(folder, machine, traffic, crash)
        return {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}


def _write(folder: Path, machine: Machine, traffic: Traffic, crash: Crash) -> None:
    registers = "".join(f"{name:<4} {value:#010x}\n" for name, value in zip(NAMES, crash.registers, strict=True))
    write_text(folder / "registers.txt", f"{crash.fault}\n\n{registers}")
    write_text(folder / "frames.txt", str(traffic))
    write_text(folder / "renode.log", machine.read_log())
    snapshot, parts, script, command = (folder / f"snapshot.{kind}" for kind in ("save", "dll", "resc", "py"))
    for stale in (snapshot, parts, script, command):
        stale.unlink(missing_ok=True)
    try:
        machine.save(snapshot, parts)
    except HilError as failure:
        log.warning("no snapshot: %s", failure)
    else:
        write_text(script, SCRIPT)
        write_text(command, COMMAND)
