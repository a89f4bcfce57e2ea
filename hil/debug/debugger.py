"""GDB at a simulated board: lets the board run for the host, halts it for GDB, and goes back in time for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hil.debug.commands import Commands, Refused
from hil.debug.history import Call, History, Outcome
from hil.debug.packets import INTERRUPT
from hil.debug.points import Hit, Kind, Points
from hil.debug.requests import Requests
from hil.debug.server import Server
from hil.errors import HilError
from hil.targets.base import TargetFault
from hil.targets.sim import SimBoard

_TRAP, _INTERRUPTED, _FAULT = 5, 2, 11  # signals, as GDB counts them
_SLICE, _WATCHED_SLICE = 40_000_000, 4_000_000  # cycles until the client is asked whether it wants to stop


class DebuggerEndedError(HilError):
    """The person at GDB ended the run."""

    exit_code = 1


@dataclass(frozen=True)
class Halt:
    """Why the board stands still: a signal, the point that was met, whether that is as far back as it goes."""

    signal: int
    hit: Hit | None = None
    is_beginning: bool = False


class Debugger:
    """One board under GDB. server: whose client, if it has one, says what happens."""

    def __init__(self, board: SimBoard, server: Server, await_client: Callable[[str], None] | None = None) -> None:
        """await_client: called with what has happened when the firmware crashes while no client is there."""
        self._board, self._server, self._await_client = board, server, await_client
        board.faults.on_fault.append(self._on_fault)
        self._points = Points(board)
        self._history = History(board, self._points)
        self._commands = Commands(board, self._points, self._history)
        self._requests = Requests(self._commands, self._points, server)
        self._halt: Halt | None = None
        self._steps = False
        self._is_awaited = False  # whether the client waits for the word that the board has stopped
        self._told: int | None = None  # the place of the access that GDB was last told of
        self._fault: tuple[int, int] | None = None  # place and cycle of one that has just happened

    # -- for the host

    def did(self, act: Callable[[], object]) -> None:
        """What the host has just done to the board."""
        self._history.redo(act)

    def run(self, until: int) -> None:
        """As SimBoard.run(). Raises what that raises, once GDB has seen it, and DebuggerEndedError."""
        self._history.call(Call(until))
        self._go_on()

    def restart(self) -> None:
        """The board was reset: its past is over."""
        self._history.begin()

    def halt(self, signal: int = _TRAP) -> None:
        """Have the board stand still, for the client to look, before anything more happens."""
        self._halt = Halt(signal)

    # -- running

    def _go_on(self) -> None:
        """Run to the end of what the host asked for."""
        while True:
            if self._halt and self._server.has_client:
                self._talk()
            try:
                if self._advance() is Outcome.END:
                    return
            except HilError as error:
                self._look(error)

    def _look(self, error: HilError) -> None:
        """The board cannot go on: the client may look, and go back. Raises the error once it has seen it."""
        if not self._wait(str(error)):
            raise error
        place = self._history.here
        self._say(f"{error}\n")
        self._halt = Halt(_FAULT)
        self._talk()
        if self._history.here >= place or not self._server.has_client:
            raise error

    def _wait(self, what: str) -> bool:
        """Have a client there, if one is wanted. Returns whether it is."""
        if not self._server.has_client and self._await_client is not None:
            self._commands.crash = what
            self._await_client(what)
            self._await_client = None
        return self._server.has_client

    def _advance(self) -> Outcome:
        """Let the board run until something is to be looked at; self._halt says if the client must be told."""
        self._fault = None
        if not self._server.has_client:
            return self._advance_alone()
        watches = self._points.watches
        if watches:
            self._history.keep()
        self._points.begin(stops=True)
        limit = None if self._steps else self._board.core.now + (_WATCHED_SLICE if watches else _SLICE)
        outcome = self._history.advance(limit, self._steps)
        self._halt = self._why(outcome)
        return Outcome.STOPPED if self._halt else outcome

    def _advance_alone(self) -> Outcome:
        """Without a client: to the end, or to a fault that one shall see before it happens."""
        self._points.clear()
        self._points.begin(stops=True)
        outcome = self._history.advance()
        if self._fault is not None and self._wait(str(self._board.faults.history[-1])):
            self._history.go_to(*self._fault)
            self._halt = Halt(_FAULT)
        return outcome

    def _why(self, outcome: Outcome) -> Halt | None:
        hits = [hit for hit in self._points.hits() if hit.pc is None or hit.instructions != self._told]
        self._told = None
        if hits:
            return self._at(hits[0])
        if self._fault is not None:
            self._say(f"{self._board.faults.history[-1]}\n")
            return Halt(_FAULT)
        if self._steps and outcome is Outcome.STOPPED:
            return Halt(_TRAP)
        return Halt(_INTERRUPTED) if self._server.is_interrupted() else None

    def _at(self, hit: Hit) -> Halt:
        """Be where a point was met: an access before the instruction that makes it."""
        if hit.point.kind is not Kind.BREAK and hit.pc is not None:
            self._history.go_to(hit.instructions, hit.cycle)
            self._told = hit.instructions
        elif hit.pc is None:
            self._say(f"{hit.accessed:#010x} was written by DMA or by exception entry, not by an instruction\n")
        return Halt(_TRAP, hit)

    def _on_fault(self, _fault: TargetFault) -> None:
        if self._points.stops and (self._server.has_client or self._await_client is not None):
            self._fault = self._history.here, self._board.core.now
            self._board.stop_soon()

    # -- backwards

    def _step_back(self) -> Halt:
        here = self._history.here
        if here <= self._history.first:
            return Halt(_TRAP, is_beginning=True)
        self._history.go_to(here - 1, self._board.core.now)
        return Halt(_TRAP)

    def _run_back(self) -> Halt:
        """To the last time that a point was met. An access is told behind its instruction: on this core GDB goes over
        that by itself, in the direction in which it was going."""
        here = self._history.here
        hit = self._history.last_hit(here - 1 if here - 1 == self._told else here)
        if hit is None:
            self._history.go_to(self._history.first, 0)
            return Halt(_TRAP, is_beginning=True)
        is_access = hit.point.kind is not Kind.BREAK and hit.pc is not None
        self._history.go_to(hit.instructions + is_access, hit.cycle)
        self._told = hit.instructions if is_access else None
        return Halt(_TRAP, hit)

    # -- talking

    def _talk(self) -> None:
        """Answer the client until the board is to run on, or the client has gone."""
        self._commands.forget_thread()
        if self._is_awaited:
            self._server.send(self._stop_reply())
            self._is_awaited = False
        while (request := self._server.receive()) is not None:
            if request == INTERRUPT:
                continue
            answer = self._answer(request)
            if answer is None:
                self._is_awaited = True
                return
            self._server.send(answer)
            if request[:1] == b"D":
                self._server.drop("")
        self._halt, self._steps = None, False

    def _answer(self, request: bytes) -> bytes | None:
        """A packet's reply; None where the board is to run on."""
        text = request.decode("latin-1")
        try:
            if text.startswith(("c", "C", "s", "S")) or text.startswith("vCont;"):
                self._resume(text)
                return None
            if text in ("bc", "bs"):
                self._halt = self._step_back() if text == "bs" else self._run_back()
                self._commands.forget_thread()
                return self._stop_reply()
            if text[:1] == "k" or text.startswith("vKill"):
                self._server.drop("")
                raise DebuggerEndedError("the debugger ended the run")
            if text[:1] == "?":
                return self._stop_reply()
            return self._requests.answer(text, request)
        except Refused as error:
            return b"E01" if text[:1] in "gmp" else f"E.{error}".encode()  # GDB takes no words in the place of data
        except (ValueError, IndexError):
            return b"E02"  # numbers that are none

    def _resume(self, text: str) -> None:
        action = text.removeprefix("vCont;")[:1]
        if action not in ("c", "C", "s", "S"):
            raise Refused(f"{text[:40]}: the board can continue and step")
        self._steps = action in ("s", "S")
        self._halt = None
        self._board.core.pass_over(self._board.pc)

    def _stop_reply(self) -> bytes:
        halt = self._halt or Halt(_TRAP)
        text = f"T{halt.signal:02x}thread:{self._commands.running_thread:x};"
        if halt.is_beginning:
            text += "replaylog:begin;"
        elif halt.hit is not None:
            kind = halt.hit.point.kind
            text += f"{kind.value}:;" if kind is Kind.BREAK else f"{kind.value}:{halt.hit.accessed:x};"
        return text.encode()

    def _say(self, text: str) -> None:
        """On GDB's console; only while it waits for the board may it be spoken to."""
        if self._is_awaited:
            self._server.send(b"O" + text.encode().hex().encode())
