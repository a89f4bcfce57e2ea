"""GDB's packets that leave the board where it is: what they ask of it, and the bytes of the reply."""

from __future__ import annotations

from collections.abc import Callable

from hil.debug import registers
from hil.debug.commands import Commands
from hil.debug.packets import LONGEST
from hil.debug.points import Points
from hil.debug.server import Server

_FEATURES = (
    f"PacketSize={LONGEST:x};qXfer:features:read+;qXfer:memory-map:read+;qXfer:threads:read+;hwbreak+;"
    "vContSupported+;ReverseStep+;ReverseContinue+;QStartNoAckMode+"
)


class Requests:
    """Of one client at one halted board."""

    def __init__(self, commands: Commands, points: Points, server: Server) -> None:
        self._commands, self._points, self._server = commands, points, server

    def answer(self, text: str, request: bytes) -> bytes:
        """A packet's reply, empty where it is not known. Raises Refused, and ValueError for numbers that are none."""
        commands = self._commands
        kind, rest = text[:1], text[1:]
        if kind == "D":
            return b"OK"
        if kind == "g":
            return commands.read_registers().encode()
        if kind == "p":
            return commands.read_register(int(rest, 16)).encode()
        if kind == "m":
            address, size = (int(number, 16) for number in rest.split(","))
            return commands.read_memory(address, size).hex().encode()
        if kind == "H":
            commands.choose_thread(rest[1:])
            return b"OK"
        if kind == "T":
            commands.thread_info(int(rest, 16))
            return b"OK"
        if kind in "qQv":
            return self._query(text)
        return self._change(kind, rest, request)

    def _change(self, kind: str, rest: str, request: bytes) -> bytes:
        commands = self._commands
        if kind == "G":
            commands.write_registers(bytes.fromhex(rest))
        elif kind == "P":
            number, _, value = rest.partition("=")
            commands.write_register(int(number, 16), bytes.fromhex(value))
        elif kind == "M":
            place, _, data = rest.partition(":")
            commands.write_memory(int(place.partition(",")[0], 16), bytes.fromhex(data))
        elif kind == "X":
            place, _, _ = rest.partition(":")
            commands.write_memory(int(place.partition(",")[0], 16), request[request.index(b":") + 1 :])
        elif kind == "Z":
            commands.add_point(commands.point(rest))
        elif kind == "z":
            self._points.remove(commands.point(rest))
        else:
            return b""
        return b"OK"

    def _query(self, text: str) -> bytes:
        commands = self._commands
        name, _, rest = text.partition(":")
        if name == "qSupported":
            return _FEATURES.encode()
        if name == "QStartNoAckMode":
            self._server.acknowledge_no_more()
            return b"OK"
        if name == "qXfer":
            return self._transfer(rest)
        if text == "vCont?":
            return b"vCont;c;C;s;S"
        if text == "qC":
            return b"QC%x" % commands.running_thread
        if text == "qfThreadInfo":
            return b"m" + b",".join(b"%x" % number for number in commands.threads)
        if text == "qsThreadInfo":
            return b"l"
        if text == "qAttached":
            return b"1"
        name, _, rest = text.partition(",")
        if name == "qThreadExtraInfo":
            return commands.thread_info(int(rest, 16)).encode().hex().encode()
        if name == "qRcmd":
            return commands.monitor(bytes.fromhex(rest).decode("utf-8", errors="replace")).encode().hex().encode()
        return b""

    def _transfer(self, rest: str) -> bytes:
        """A piece of a document."""
        what, _, annex, window = rest.split(":")
        documents: dict[str, Callable[[], str]] = {
            "features": registers.description,
            "memory-map": self._commands.memory_map,
            "threads": self._commands.thread_list,
        }
        if what not in documents or (what == "features" and annex != "target.xml"):
            return b"E00"
        start, size = (int(number, 16) for number in window.split(","))
        text = documents[what]().encode()
        return (b"m" if start + size < len(text) else b"l") + text[start : start + size]
