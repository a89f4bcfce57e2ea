"""A board's supply, switched by a command of the lab: uhubctl for a USB hub, a relay's or a PDU's own program."""

from __future__ import annotations

import logging
import shlex
import subprocess
import time
from collections.abc import Callable

from hil.targets.base import TargetError
from hil.targets.connection import Connection

log = logging.getLogger(__name__)

TIMEOUT_S = 60.0
OFF_S = 2.0  # until the capacitors of board and adapter are empty


def switch(connection: Connection, is_on: bool) -> str:
    """Run the inventory's command, which is split as a shell does but never given to one. Returns it.

    Raises TargetError where the board has none, and where it fails.
    """
    if connection.power is None:
        raise TargetError(
            f"{connection.name or 'this board'} cannot be switched: give power_off and power_on in the inventory"
        )
    command = connection.power[is_on]
    log.info("%s", command)
    try:
        done = subprocess.run(
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, ValueError) as error:
        raise TargetError(f"{connection.name}: cannot run [{command}]: {error}") from None
    except subprocess.TimeoutExpired:
        raise TargetError(f"{connection.name}: [{command}] did not finish in {TIMEOUT_S:g} s") from None
    if done.returncode != 0:
        words = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        said = words[-1] if words else "nothing"
        raise TargetError(f"{connection.name}: [{command}] failed with exit code {done.returncode}, said: {said}")
    return command


def cycle(switched: Callable[[bool], object], off_s: float = OFF_S) -> None:
    """Off, a while of nothing, and on. switched: what does either. Raises TargetError."""
    switched(False)
    time.sleep(off_s)
    switched(True)
