"""A board taken off the shelf, for one run at a time: one that is named, or the first free one of several."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from hil.board import Board
from hil.locks import LOOK_EVERY_S
from hil.targets import ports, power
from hil.targets.base import TargetError
from hil.targets.connection import Connection
from hil.targets.lock import BoardInUseError, BoardLock

log = logging.getLogger(__name__)


class Holding(Protocol):
    """A board that this run has until it releases it. connection: that of this very board; url: its port."""

    connection: Connection
    url: str

    def find_again(self) -> None:
        """Where its port is now: one that was unplugged can come back under another name. Raises TargetError."""
        ...

    def release(self) -> None: ...

    def flash(self, elf: Path) -> str | None:
        """Flash the board from where it is, and say how; None where the tools of this computer do it."""
        ...

    def switch(self, is_on: bool) -> object:
        """Its supply. Raises TargetError where that cannot be done."""
        ...


class Local:
    """A board of this computer, held by a lock. Raises TargetError where there is no such port or somebody has it."""

    def __init__(self, board: Board, connection: Connection, wait_s: float) -> None:
        self.board, self.connection, self.url = board, connection, ""
        self._lock: BoardLock | None = None
        self._wait_s = wait_s
        self.find_again()

    def find_again(self) -> None:
        at = self.connection
        self.url = ports.find_port(self.board, at.port, at.serial, at.usb)
        lock = BoardLock(ports.identity(self.url))
        if self._lock is not None and self._lock.identity == lock.identity:
            return
        self.release()
        lock.acquire(self._wait_s)
        self._lock = lock

    def release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def flash(self, elf: Path) -> str | None:
        return None

    def switch(self, is_on: bool) -> object:
        return power.switch(self.connection, is_on)


def take(board: Board, asked: Connection) -> Holding:
    """The board that a connection means, or the first free one of those it means, waited for if need be.

    Raises TargetError where none is of this kind or plugged in, BoardInUseError where they stay in use for too long.
    """
    named = asked.any_of or (asked,)
    fitting = [one for one in named if one.kind in (None, board.name)]
    if not fitting:
        kinds = sorted({str(one.kind) for one in named})
        raise TargetError(f"{_names(named)} is no {board.name} but {' or '.join(kinds)}: pass --board {kinds[0]}")
    if len(fitting) == 1:
        return _hold(board, fitting[0], asked.wait_s)
    return _first_free(board, fitting, asked.wait_s)


def _first_free(board: Board, choice: Sequence[Connection], wait_s: float) -> Holding:
    deadline = time.monotonic() + wait_s
    waits, absent = False, dict[str, TargetError]()
    while True:
        for one in choice:
            if str(one.name) in absent:
                continue
            try:
                return _hold(board, one, 0)
            except BoardInUseError:
                continue
            except TargetError as error:
                log.warning("%s is left out: %s", one.name, error)
                absent[str(one.name)] = error
        if len(absent) == len(choice):
            raise TargetError(f"none of {_names(choice)} is available: {next(iter(absent.values()))}")
        if time.monotonic() >= deadline:
            raise BoardInUseError(
                f"{_names(choice)} are all in use, for longer than the {wait_s:g} s that this run waits"
            )
        if not waits:
            log.warning("%s are all in use: waiting for one", _names(choice))
            waits = True
        time.sleep(LOOK_EVERY_S)


def _hold(board: Board, connection: Connection, wait_s: float) -> Holding:
    if connection.place is None:
        return Local(board, connection, wait_s)
    try:
        from hil.targets.labgrid.place import Place  # labgrid is an extra
    except ModuleNotFoundError as error:
        raise TargetError(f"--at labgrid: needs the package {error.name}: pip install 'rnnpool-hil[lab]'") from error
    return Place(board, connection, wait_s)


def _names(choice: Sequence[Connection]) -> str:
    return ", ".join(one.name or one.port or one.place or "a board" for one in choice)
