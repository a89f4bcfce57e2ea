"""The TCP side of a GDB server: one client at a time, on this machine alone."""

from __future__ import annotations

import logging
import select
import socket

from hil.debug.packets import INTERRUPT, NotTheProtocolError, Reader, packet
from hil.errors import HilError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
DEFAULT_PORT = 3333  # as OpenOCD's
_RECEIVE = 1 << 16


class Server:
    """Listens from now on until close(). port: 0 takes any that is free. Raises HilError where the port is taken."""

    def __init__(self, port: int = DEFAULT_PORT) -> None:
        self._client: socket.socket | None = None
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((HOST, port))
        except (OSError, OverflowError) as error:
            self._listener.close()
            raise HilError(f"cannot listen for GDB at {HOST}:{port} ({error}): name another port") from error
        self._listener.listen()
        self._reader = Reader()
        self._acknowledges = True

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def has_client(self) -> bool:
        return self._client is not None

    def close(self) -> None:
        """Let go of the client and listen no more."""
        self.drop("")
        self._listener.close()

    def accept(self) -> None:
        """Wait for a client."""
        self._client, _ = self._listener.accept()
        self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader, self._acknowledges = Reader(), True

    def drop(self, why: str) -> None:
        """The client has gone, or must go."""
        if self._client is not None:
            if why:
                log.warning("GDB's client %s: the firmware runs on without it", why)
            self._client.close()
            self._client = None

    def acknowledge_no_more(self) -> None:
        """QStartNoAckMode."""
        self._acknowledges = False

    def send(self, data: bytes) -> None:
        """A packet to the client; one that has gone is noticed when it should say something."""
        if self._client is not None:
            try:
                self._client.sendall(packet(data))
            except OSError as error:
                self.drop(f"has gone ({error.strerror})")

    def receive(self) -> bytes | None:
        """Wait for a packet's data, or INTERRUPT; None once the client has gone."""
        while self._client is not None:
            found = self._take()
            if found is not None:
                return found
            self._wait(None)
        return None

    def is_interrupted(self) -> bool:
        """Whether the client wants the running board to stop. Does not wait."""
        self._wait(0)
        return self._client is not None and self._take() == INTERRUPT

    def _take(self) -> bytes | None:
        """A packet that has come, acknowledged; a damaged one is asked for again."""
        try:
            found = self._reader.next()
            while found is not None and found != INTERRUPT and self._reader.damaged:
                self._answer(b"-")
                found = self._reader.next()
        except NotTheProtocolError as error:
            self.drop(f"is none: it {error}")
            return None
        if found is not None and found != INTERRUPT:
            self._answer(b"+")
        return found

    def _answer(self, sign: bytes) -> None:
        if self._acknowledges and self._client is not None:
            try:
                self._client.sendall(sign)
            except OSError as error:
                self.drop(f"has gone ({error.strerror})")

    def _wait(self, timeout_s: float | None) -> None:
        """Let bytes come in; another client is turned away."""
        while self._client is not None:
            ready, _, _ = select.select([self._client, self._listener], [], [], timeout_s)
            if self._listener in ready:
                second, address = self._listener.accept()
                second.close()
                log.warning("a second client of GDB at %s:%d is turned away: one at a time", *address[:2])
            if self._client not in ready:
                if timeout_s is not None or not ready:
                    return
                continue
            try:
                data = self._client.recv(_RECEIVE)
                self._reader.feed(data)
            except OSError as error:
                self.drop(f"has gone ({error.strerror})")
            except NotTheProtocolError as error:
                self.drop(f"is none: it {error}")
            else:
                if not data:
                    self.drop("has gone")
            return
