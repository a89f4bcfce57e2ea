"""The one Renode of this process: started when first asked for, and used by every run from then on."""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hil.errors import HilError
from hil.files import make_folder
from hil.paths import BUILD, platforms
from hil.targets.pyrenode.find import find

OURS = ("Stm32f4Dma.cs", "Stm32f4Rcc.cs", "AccessGuard.cs", "HostLine.cs", "Stepper.cs")
LOG = BUILD / "renode" / "renode.log"
# Fewer garbage collections (docs/renode.md has what it brings). Mono reads it once, at its start.
_MONO_GC = ("MONO_GC_PARAMS", "nursery-size=64m")


class Renode:
    """Renode and its monitor. There can be one in a process, which start() returns."""

    def __init__(self) -> None:
        with _no_exit_handlers():
            self.wrappers: Any = _load()
            self.emulation = self.wrappers.Emulation()
            self.monitor = self.wrappers.Monitor()
        self._log_to(LOG)
        files = " ".join(f"@{platforms() / 'renode' / name}" for name in OURS)
        self.command(f"include {files}")
        self.switched_on: Any = None  # the Machine there is, if any: the emulation has one clock, so one at a time

    def command(self, text: str) -> str:
        """Have the monitor execute a command. Returns what it prints; raises HilError where it refuses."""
        output, error = self.monitor.execute(text)
        if error.strip():
            raise HilError(f"Renode does not accept {text!r}: {error.strip()}")
        return str(output).strip()

    @property
    def version(self) -> str:
        return self.command("version")

    def _log_to(self, path: Path) -> None:
        make_folder(path.parent)
        self.command(f"logFile @{path.absolute()}")


@contextmanager
def _no_exit_handlers() -> Iterator[None]:
    """Renode and its runtime would end in good order, which takes six seconds; the process's end will do."""
    with patch.object(atexit, "register", lambda function, *_args, **_options: function):
        yield


def _load() -> Any:
    """pyrenode3's wrappers. It starts Renode as it is imported, and is told by the environment which."""
    installation = find()
    for name, value in (installation.environment | dict([_MONO_GC])).items():
        os.environ.setdefault(name, value)
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Mono before 6.12, which Renode's release runs on
            root.setLevel(logging.ERROR)  # of Mono builds, which are what is used here
            return importlib.import_module("pyrenode3.wrappers")
    except (ImportError, SystemExit, Exception) as error:  # whatever .NET raises
        raise HilError(f"Renode at {installation.path or '/opt/renode'} does not start: {error}") from error
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


@cache
def start() -> Renode:
    """The Renode of this process. Takes seconds the first time; raises HilError where there is none or it fails."""
    return Renode()
