"""Where firmware runs: the simulated board, the host, Renode, a real board. All speak the same protocol (base.py).

base.py     the Target protocol and its errors
symbols.py  addresses to functions and source lines
sim/        a simulated STM32F4 on Unicorn, with exact memory, faults and cycles
native.py   the same C compiled for the host
renode.py   the same ELF on Renode
serial.py   the same ELF on a real board
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hil.board import Board
from hil.errors import HilError
from hil.targets.base import Capabilities, Observed, Target, TargetError, TargetFault, Transport

_CLASSES = {"sim": "SimTarget", "native": "NativeTarget", "renode": "RenodeTarget", "serial": "SerialTarget"}
NAMES = tuple(_CLASSES)


def create(name: str, board: Board, **options: Any) -> Target:
    """A target by name: sim, native, renode or serial; options are those of its class.

    Raises HilError for a name that is not one of them or whose module does not work here.
    """
    if name not in _CLASSES:
        raise HilError(f"no target is called {name!r}: choose one of {', '.join(NAMES)}")
    module_name = f"hil.targets.{name}"
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith(module_name):
            raise HilError(
                f"target {name!r} is not part of this version: choose another of {', '.join(NAMES)}"
            ) from None
        raise HilError(f"target {name!r} needs the Python package {missing!r}: pip install {missing}") from error
    target: Target = getattr(module, _CLASSES[name])(board, **options)
    return target


__all__ = ["NAMES", "Capabilities", "Observed", "Target", "TargetError", "TargetFault", "Transport", "create"]
