"""What is kept of a run that went wrong: Renode's log, a snapshot, the registers, the last frames."""

from __future__ import annotations

import logging
from collections import deque
from pathlib import Path

from hil.errors import HilError
from hil.files import write_bytes, write_text
from hil.targets.pyrenode.machine import Machine
from hil.targets.pyrenode.process import LOG

FRAMES = 64  # of what was last written and read, each way

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


def keep(folder: Path, machine: Machine, traffic: Traffic, error: HilError) -> None:
    """Write everything into a folder. The machine cannot run on after it."""
    registers = "".join(f"r{number:<2} {machine.register(number):#010x}\n" for number in range(16))
    write_text(folder / "registers.txt", f"{error}\n\n{registers}")
    write_text(folder / "frames.txt", str(traffic))
    try:
        machine.save(folder / "snapshot.save")
    except HilError as failure:
        log.warning("no snapshot: %s", failure)
    if LOG.exists():
        write_bytes(folder / "renode.log", LOG.read_bytes())
