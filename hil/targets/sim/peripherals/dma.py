"""A DMA controller (RM0090, 10): byte streams between a peripheral's data register and memory.

Modelled: peripheral to memory and memory to peripheral, normal and circular, byte-sized, half-transfer,
transfer-complete and transfer-error flags with their interrupts. Progress is worked out when somebody looks: a
peripheral is asked to catch up before any register is read. Registers lie in words that native code shares: it answers
for them while nothing moves (hil.targets.sim.core.answering).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from hil.board.family import DMA_INTERRUPTS
from hil.targets.base import TargetError
from hil.targets.sim.core import words as at
from hil.targets.sim.core.core import Core
from hil.targets.sim.core.memory import Memory, Region
from hil.targets.sim.peripherals.ending import Ending
from hil.targets.sim.peripherals.nvic import IRQ0, Nvic
from hil.targets.sim.peripherals.registers import Peripheral

log = logging.getLogger(__name__)

STREAMS = 8
FAR = 1 << 16  # bytes, more than any buffer has
_LIFCR, _HIFCR = 2, 3  # registers, as words of a controller; LISR and HISR come before
_CR, _NDTR, _PAR, _M0AR, _M1AR, _FCR = range(at.STREAM_REGISTERS)  # of a stream
EN, DMEIE, TEIE, HTIE, TCIE, CIRC, MINC, DBM = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 8, 1 << 10, 1 << 18
TO_MEMORY, FROM_MEMORY = 0, 1  # DIR
TEIF, HTIF, TCIF = 1 << 3, 1 << 4, 1 << 5
_ROUTE = 7 << 25 | 3 << 6 | EN  # of CR: channel, direction, and that it runs
_FLAG_SHIFTS = (0, 6, 16, 22)
_FLAG_MASK = 0x3D
# RM0090, tables 42 and 43, of the serial ports: (controller, stream, channel)
REQUESTS = {
    ("usart1", "rx"): {("dma2", 2, 4), ("dma2", 5, 4)},
    ("usart1", "tx"): {("dma2", 7, 4)},
    ("usart2", "rx"): {("dma1", 5, 4)},
    ("usart2", "tx"): {("dma1", 6, 4)},
    ("usart3", "rx"): {("dma1", 1, 4)},
    ("usart3", "tx"): {("dma1", 3, 4), ("dma1", 4, 7)},
    ("uart4", "rx"): {("dma1", 2, 4)},
    ("uart4", "tx"): {("dma1", 4, 4)},
    ("uart5", "rx"): {("dma1", 0, 4)},
    ("uart5", "tx"): {("dma1", 7, 4)},
    ("usart6", "rx"): {("dma2", 1, 5), ("dma2", 2, 5)},
    ("usart6", "tx"): {("dma2", 6, 5), ("dma2", 7, 5)},
}


class Stream:
    """One stream: its registers, its flags and how far it has come."""

    def __init__(
        self, name: str, words: Any, number: int, memory: Memory, nvic: Nvic, ending: Ending, interrupt: int
    ) -> None:
        """words: its controller's."""
        self.name, self.interrupt = name, interrupt
        self._memory, self._nvic, self._ending = memory, nvic, ending
        first = at.DMA_STREAMS + number * at.STREAM_REGISTERS
        self.registers = words[first : first + at.STREAM_REGISTERS]
        self._all_flags, self._shift = words[number // 4 : number // 4 + 1], _FLAG_SHIFTS[number % 4]
        self.errors = 0  # transfers since power-on that the bus did not take
        self.on_moved: Callable[[str, int], None] = lambda stream, count: None  # a timeline is told
        self.reset()

    def reset(self) -> None:
        for register in range(at.STREAM_REGISTERS):
            self.registers[register] = 0x21 if register == _FCR else 0
        self.flags = 0
        self.is_stalled = False  # a fault: it stays enabled and moves nothing
        self._length = 0  # NDTR when the stream was enabled

    @property
    def flags(self) -> int:
        """Its part of LISR or HISR."""
        return self._all_flags[0] >> self._shift & _FLAG_MASK

    @flags.setter
    def flags(self, flags: int) -> None:
        self._all_flags[0] = self._all_flags[0] & ~(_FLAG_MASK << self._shift) | flags << self._shift

    @property
    def is_enabled(self) -> bool:
        return bool(self.registers[_CR] & EN)

    @property
    def is_circular(self) -> bool:
        return bool(self.registers[_CR] & CIRC)

    @property
    def direction(self) -> int:
        return self.registers[_CR] >> 6 & 3

    def serves(self, route: int) -> bool:
        """Whether it runs for a request: a route of Dma.routes."""
        return self.registers[_CR] & _ROUTE == route and not self.is_stalled

    @property
    def left(self) -> int:
        """Bytes to go until the end of the buffer."""
        return self.registers[_NDTR]

    @property
    def next_mark(self) -> int:
        """Bytes to go until the next flag: half or all of the buffer."""
        left, half = self.registers[_NDTR], self._length // 2
        return left - half if left > half else left

    @property
    def next_interrupt(self) -> int:
        """Bytes to go until a flag whose interrupt is enabled; FAR where none is."""
        control = self.registers[_CR]
        if control & HTIE:
            return self.next_mark
        return self.left if control & TCIE else FAR

    def receive(self, data: bytes) -> int:
        """Bytes that the peripheral has. Returns how many were taken: fewer if the stream ends or cannot store."""
        taken = 0
        while taken < len(data) and self.is_enabled:
            part = data[taken : taken + self.next_mark]
            address = self.position
            region = self._reach(address, len(part))
            if region is None:
                break
            self._memory.write(address, part, region)
            taken += len(part)
            self._count(len(part))
        self.settle()
        return taken

    def fetch(self, count: int) -> bytes:
        """Up to so many bytes for the peripheral."""
        data = bytearray()
        while len(data) < count and self.is_enabled:
            size = min(count - len(data), self.next_mark)
            address = self.position
            region = self._reach(address, size)
            if region is None:
                break
            data += self._ending.kept(self, address, size) or region.data[address - region.origin :][:size].tobytes()
            self._count(size)
        self.settle()
        return bytes(data)

    def expect_end(self, cycle: int) -> bool:
        """Whether native code will see to it that the transfer's last byte is taken at a cycle."""
        return not self.is_circular and self._ending.expect(self, self.left, cycle)

    def has_ended(self, now: int) -> bool:
        """Whether it has by a cycle."""
        return self._ending.is_over(self, now)

    def forget_end(self) -> None:
        """It has been seen to, or is another."""
        self._ending.forget(self)

    def stall(self) -> None:
        """A fault: it moves nothing from here on, until the chip is reset."""
        self.is_stalled = True
        self.forget_end()

    @property
    def position(self) -> int:
        """Where the next byte lies."""
        return self.registers[_M0AR] + (self._length - self.left if self.registers[_CR] & MINC else 0)

    def _reach(self, address: int, size: int) -> Region | None:
        """Where the next bytes lie, if the DMA's bus leads there (not to the CCM). Else the stream stops in error."""
        region = self._memory.find(address, size)
        if region is not None and region.dma and (region is not self._memory.flash or self.direction == FROM_MEMORY):
            return region
        log.warning(
            "%s: transfer error at %#010x, %s: the stream stops, as on the chip", self.name, address,
            "where there is no memory" if region is None else f"in the {region.name}, which it cannot "
            f"{'write' if self.direction == TO_MEMORY else 'read'}",
        )  # fmt: skip
        self.errors += 1
        self.registers[_CR] &= ~EN
        self._raise(TEIF)
        return None

    def _count(self, size: int) -> None:
        self.on_moved(self.name, size)
        left = self.registers[_NDTR] = self.registers[_NDTR] - size
        if left == 0:
            if self.is_circular:
                self.registers[_NDTR] = self._length
            else:
                self.registers[_CR] &= ~EN
            self.flags |= TCIF
        elif left == self._length // 2:
            self.flags |= HTIF

    def _raise(self, flag: int) -> None:
        self.flags |= flag
        self.settle()

    def settle(self) -> None:
        """Drive the interrupt line from the flags."""
        control = self.registers[_CR]
        enabled = (HTIF if control & HTIE else 0) | (TCIF if control & TCIE else 0) | (TEIF if control & TEIE else 0)
        self._nvic.set_line(self.interrupt, bool(self.flags & enabled))

    def write(self, register: int, value: int) -> None:
        was_enabled = self.is_enabled
        if register == _CR:
            self.registers[_CR] = value & 0x0FFF_FFFF
            if value & EN and not was_enabled:
                self._check_modelled(value)
                self._length = self.left
                if not self._length:
                    self.registers[_CR] &= ~EN
            elif was_enabled and not value & EN:
                self._raise(TCIF)  # RM0090, 10.3.14: a stream that software stops reports completion
            self.settle()
        elif not was_enabled or register == _FCR:
            self.registers[register] = value & (0xFFFF if register == _NDTR else 0xFFFF_FFFF)

    def _check_modelled(self, control: int) -> None:
        sizes = control >> 11 & 0xF
        if control & DBM or sizes or control >> 6 & 3 > FROM_MEMORY:
            raise TargetError(
                f"the firmware starts {self.name} with CR {control:#x}: the simulated board models byte transfers "
                "between a peripheral and one buffer only"
            )


class User(Protocol):
    """A peripheral that streams serve."""

    @property
    def settled_until(self) -> int:
        """The cycle at which time alone brings about something next."""
        ...

    def catch_up(self) -> None: ...

    def schedule(self) -> None:
        """A stream may serve it from now on, or no more."""


class Dma(Peripheral):
    """One controller with its eight streams."""

    hears = True

    def __init__(self, name: str, number: int, core: Core, nvic: Nvic, ending: Ending) -> None:
        self.name = name
        self.users: list[User] = []  # that may have bytes under way, once in use
        self._state, self._quiet, self._clocked = core.words, at.QUIET + number, at.CLOCKED + number
        self._words = core.words[at.DMA + number * at.DMA_WORDS :][: at.DMA_WORDS]
        interrupts = DMA_INTERRUPTS[name]
        self.streams = [
            Stream(f"{name.upper()} stream {n}", self._words, n, core.memory, nvic, ending, interrupt)
            for n, interrupt in enumerate(interrupts)
        ]
        for n, interrupt in enumerate(interrupts):
            core.words[at.DMA_LINES + STREAMS * number + n] = IRQ0 + interrupt

    @property
    def is_clocked(self) -> bool:
        return bool(self._state[self._clocked])

    @is_clocked.setter
    def is_clocked(self, is_on: bool) -> None:
        self._state[self._clocked] = is_on

    def look_again(self) -> None:
        """What was known of the time to come may be so no more."""
        self._state[self._quiet] = 0

    def reset(self) -> None:
        self.look_again()
        for stream in self.streams:
            stream.reset()

    def routes(self, peripheral: str, direction: str) -> list[tuple[Stream, int]]:
        """The streams that can serve a peripheral's "rx" or "tx" request, and what Stream.serves takes for it."""
        bits = (TO_MEMORY if direction == "rx" else FROM_MEMORY) << 6 | EN
        requests = sorted(REQUESTS.get((peripheral, direction), ()))
        return [(self.streams[number], channel << 25 | bits) for dma, number, channel in requests if dma == self.name]

    def read(self, offset: int) -> int:
        self._look(offset >> 2)
        return self.peek(offset)

    def _look(self, register: int) -> None:
        """Have the peripherals bring up to date what is accessed. A stream at rest has nothing under way."""
        number = (register - at.DMA_STREAMS) // at.STREAM_REGISTERS
        if not 0 <= number < STREAMS or self.streams[number].is_enabled:
            for user in self.users:
                user.catch_up()
            self._state[self._quiet] = min([at.NEVER, *(user.settled_until for user in self.users)])

    def peek(self, offset: int) -> int:
        return self._words[offset >> 2] if offset >> 2 < at.DMA_WORDS else 0

    def write(self, offset: int, value: int) -> None:
        register = offset >> 2
        self._look(register)
        if register in (_LIFCR, _HIFCR):
            first = 4 * (register - _LIFCR)
            for k, shift in enumerate(_FLAG_SHIFTS):
                self.streams[first + k].flags &= ~(value >> shift & _FLAG_MASK)
                self.streams[first + k].settle()
        elif at.DMA_STREAMS <= register < at.DMA_WORDS:
            number, which = divmod(register - at.DMA_STREAMS, at.STREAM_REGISTERS)
            self.streams[number].write(which, value)
            if which == _CR:
                self.look_again()
                for user in self.users:
                    user.schedule()


def serving(routes: list[tuple[Stream, int]]) -> Stream | None:
    """The stream that runs for a request, of Dma.routes."""
    for stream, route in routes:
        if stream.serves(route):
            return stream
    return None
