"""A labgrid place as a board that one run holds."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from hil.board import Board
from hil.targets.base import TargetError
from hil.targets.connection import Connection
from hil.targets.labgrid import drivers, release
from hil.targets.labgrid.coordinator import Resource, Session, address, matching
from hil.targets.lock import BoardInUseError

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
PORT_S = 10.0  # from acquiring a place to its exporter's serial port being there


class Place:
    """A place that is reserved, acquired, and released at the end, however this process ends.

    Raises TargetError where it does not exist or has no serial port, BoardInUseError where others hold it for too long.
    """

    def __init__(self, board: Board, connection: Connection, wait_s: float) -> None:
        self.board, self.connection, self.url = board, connection, ""
        self._name = str(connection.place)
        self._resources: list[Resource] = []
        self._session = Session(address())
        try:
            self._check(wait_s)
            self._token = self._session.reserve(self._name)
            self._watch = release.watch(self._session.where, self._name, self._session.user, self._token)
        except BaseException:
            self._session.close()
            raise
        try:
            self._acquire(wait_s)
            self.find_again()
        except BaseException:
            self.release()
            raise

    def find_again(self) -> None:
        """Raises TargetError where the exporter is gone, or offers no serial port."""
        deadline = time.monotonic() + PORT_S
        while True:
            self._session.sync()
            place = self._session.places[self._name]
            if place.acquired != self._session.user:
                raise TargetError(
                    f"labgrid place {self._name} is not ours any more: {place.acquired or 'nobody'} has it"
                )
            self._resources = list(matching(place, self._session.resources))
            port = next((one for one in self._resources if one.cls == "NetworkSerialPort"), None)
            if port is not None and port.params.get("port"):
                break
            if time.monotonic() >= deadline:
                has = ", ".join(one.cls for one in self._resources) or "nothing: is its exporter running?"
                raise TargetError(f"labgrid place {self._name} has no serial port that can be reached. It has {has}")
            time.sleep(LOOK_EVERY_S)
        host, number = port.params["host"], port.params["port"]
        is_raw = port.params.get("protocol") == "raw"
        self.url = f"socket://{host}:{number}" if is_raw else f"rfc2217://{host}:{number}?ign_set_control"

    def release(self) -> None:
        """Give the place back; where the coordinator cannot be told now, a process of its own goes on trying once."""
        try:
            self._session.release(self._name)
            self._session.cancel(self._token)
        except TargetError as error:
            log.warning("labgrid place %s: %s", self._name, error)
        release.dismiss(self._watch)
        self._session.close()

    def flash(self, elf: Path) -> str | None:
        """By labgrid's driver, on the exporter's machine; None where the place has no probe."""
        return drivers.flash(self.board, self._resources, elf)

    def switch(self, is_on: bool) -> None:
        """The place's supply. Raises TargetError where it has none that labgrid switches."""
        drivers.switch(self._name, self._resources, is_on)

    def _check(self, wait_s: float) -> None:
        """Nothing is begun for a place that does not exist, or that others have if we do not wait."""
        if self._name not in self._session.places:
            known = ", ".join(sorted(self._session.places)) or "none"
            raise TargetError(
                f"the labgrid coordinator at {self._session.where} has no place {self._name!r}: there are {known}"
            )
        if wait_s <= 0 and (holder := self._session.places[self._name].acquired):
            raise self._in_use(holder, wait_s)

    def _in_use(self, holder: str, wait_s: float) -> BoardInUseError:
        waited = f"for longer than the {wait_s:g} s that may be waited"
        return BoardInUseError(f"labgrid place {self._name} is held by {holder}, {waited}")

    def _acquire(self, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        told = ""
        while not self._session.is_ours(self._token):
            self._session.sync()
            holder = self._session.places[self._name].acquired or "a reservation"
            if time.monotonic() >= deadline:
                raise self._in_use(holder, wait_s)
            if holder != told:
                log.warning("labgrid place %s is held by %s: waiting for it", self._name, holder)
                told = holder
            time.sleep(LOOK_EVERY_S)
        self._session.acquire(self._name)
