"""What GDB asks of a halted board: registers, memory, threads, points, and what `monitor` says."""

from __future__ import annotations

from collections.abc import Callable
from xml.sax.saxutils import quoteattr

from hil.debug import registers
from hil.debug.history import History
from hil.debug.points import Kind, Point, Points
from hil.errors import HilError
from hil.targets.sim import SimBoard
from hil.targets.sim.core import unicorn_api

THREAD = 1  # thread mode; an exception's thread is 1 + its number
_NAMES = {
    2: "NMI", 3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault", 11: "SVCall", 12: "DebugMonitor",
    14: "PendSV", 15: "SysTick",
}  # fmt: skip
_IRQ0 = 16
_POINTS = {"0": Kind.BREAK, "1": Kind.BREAK, "2": Kind.WRITE, "3": Kind.READ, "4": Kind.ACCESS}
_MOST_BYTES = 0x2000  # of memory at once
_REGISTERS_AT = 0x4000_0000


class Refused(Exception):
    """The board cannot do what was asked; the words are for the person at GDB."""


class Commands:
    """Answers of one board."""

    def __init__(self, board: SimBoard, points: Points, history: History) -> None:
        self._board, self._points, self._history = board, points, history
        self.crash = ""  # what is about to happen, where the client was called for that
        self._thread = 0  # whose registers are asked for; 0: the one that runs

    # -- threads

    @property
    def running_thread(self) -> int:
        active = self._board.chip.nvic.active
        return THREAD + active[-1] if active else THREAD

    @property
    def threads(self) -> list[int]:
        """Thread mode, and each exception that is active."""
        return [THREAD, *(THREAD + exception for exception in self._board.chip.nvic.active)]

    def choose_thread(self, text: str) -> None:
        """0 and -1: the one that runs."""
        number = _signed(text)
        if number > 0 and number not in self.threads:
            raise Refused(f"there is no thread {number}")
        self._thread = max(0, number)

    def thread_info(self, number: int) -> str:
        """A thread in words."""
        if number not in self.threads:
            raise Refused(f"there is no thread {number}")
        state = "runs" if number == self.running_thread else "waits"
        exception = number - THREAD
        if not exception:
            return f"thread mode, {state}"
        name = _NAMES.get(exception, f"interrupt {exception - _IRQ0}")
        return f"{name} (exception {exception}), {state}"

    def forget_thread(self) -> None:
        """The board has run."""
        self._thread = 0

    # -- registers

    def read_registers(self) -> str:
        """All, as GDB wants them; x for one that is not known."""
        return "".join(self.read_register(number) for number in range(len(registers.ALL)))

    def read_register(self, number: int) -> str:
        if not 0 <= number < len(registers.ALL):
            raise Refused(f"there is no register {number}")
        if self._thread in (0, self.running_thread):
            return registers.read(self._board, number).hex()
        frame_at, size = self._board.exceptions.frames[self.threads.index(self._thread)]
        found = registers.of_frame(self._board, frame_at, size).get(number)
        return found.hex() if found else "x" * (registers.ALL[number].bits // 4)

    def write_register(self, number: int, data: bytes) -> None:
        self._may_change()
        if self._thread not in (0, self.running_thread):
            raise Refused("the registers of a context that waits are in its frame on the stack")
        try:
            registers.write(self._board, number, data)
        except (IndexError, ValueError) as error:
            raise Refused(f"register {number}: {error}") from error
        self._history.begin()

    def write_registers(self, data: bytes) -> None:
        self._may_change()
        for number, register in enumerate(registers.ALL):
            size = register.bits // 8
            if len(data) >= size:
                registers.write(self._board, number, data[:size])
            data = data[size:]
        self._history.begin()

    # -- memory

    def read_memory(self, address: int, size: int) -> bytes:
        """Bytes of flash and RAM; of peripherals' registers what they hold, without the effects of reading."""
        if not 0 <= size <= _MOST_BYTES:
            raise Refused(f"{size} bytes are too many at once: at most {_MOST_BYTES}")
        try:
            return self._board.core.memory.read(address, size)
        except HilError as error:
            if address < _REGISTERS_AT:
                raise Refused(str(error)) from error
        words = [self._board.chip.bus.peek(at) for at in range(address & ~3, address + size, 4)]
        if None in words:
            raise Refused(f"no register at {address:#010x}")
        data = b"".join(word.to_bytes(4, "little") for word in words if word is not None)
        return data[address & 3 :][:size]

    def write_memory(self, address: int, data: bytes) -> None:
        """RAM only. The past cannot be gone back to from then on."""
        self._may_change()
        memory = self._board.core.memory
        if not data:
            return
        if not memory.is_ram(address, len(data)):
            raise Refused(f"no RAM at {address:#010x}: flash is what the build made it")
        listener, memory.on_write = memory.on_write, None
        memory.write(address, data)
        memory.on_write = listener
        unicorn_api.forget_translations(self._board.core.uc)
        self._history.begin()

    def _may_change(self) -> None:
        if self._history.is_past:
            raise Refused("the past cannot be changed: continue to the present first")

    def memory_map(self) -> str:
        """GDB then knows where breakpoints must be the hardware's, and where nothing is."""
        memory = self._board.core.memory
        rows = "".join(
            f'<memory type="ram" start="{region.origin:#x}" length="{len(region.data):#x}"/>' for region in memory.rams
        )
        rows += '<memory type="ram" start="0x40000000" length="0xa0000000"/>'
        for start in (0, memory.flash.origin):
            rows += f'<memory type="rom" start="{start:#x}" length="{len(memory.flash.data):#x}"/>'
        return f'<?xml version="1.0"?><memory-map>{rows}</memory-map>'

    def thread_list(self) -> str:
        rows = "".join(
            f'<thread id="{number:x}" name={quoteattr(self.thread_info(number))}/>' for number in self.threads
        )
        return f'<?xml version="1.0"?><threads>{rows}</threads>'

    # -- points

    def point(self, text: str) -> Point:
        """ "1,8000123,2" as a point."""
        kind, _, rest = text.partition(",")
        address, _, size = rest.partition(",")
        if kind not in _POINTS:
            raise Refused(f"no point is of kind {kind}")
        wanted = _POINTS[kind]
        return Point(wanted, int(address, 16), 0 if wanted is Kind.BREAK else int(size, 16))

    def add_point(self, point: Point) -> None:
        if point.kind is Kind.BREAK and self._board.core.memory.find(point.address & ~1, 2) is None:
            raise Refused(f"no code at {point.address:#010x}")
        self._points.add(point)

    # -- monitor

    def monitor(self, command: str) -> str:
        """What `monitor COMMAND` answers."""
        known: dict[str, Callable[[], str]] = {
            "cycles": self._cycles,
            "where": lambda: self._board.image.symbols.describe(self._board.pc),
            "faults": lambda: "\n".join(map(str, self._board.faults.history)) or self.crash or "none so far",
            "help": lambda: ", ".join(known),
        }
        return known.get(command.strip(), lambda: f"monitor knows {', '.join(known)}")() + "\n"

    def _cycles(self) -> str:
        board = self._board
        when = " (in the past)" if self._history.is_past else ""
        return (
            f"cycle {board.core.now}, instruction {board.core.executed}, {board.seconds * 1e3:.3f} ms since power-on"
            f"{when}"
        )


def _signed(text: str) -> int:
    return -int(text[1:], 16) if text.startswith("-") else int(text, 16)
