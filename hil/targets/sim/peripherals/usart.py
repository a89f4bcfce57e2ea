"""A USART (RM0090, 30) and the line to the host: bytes take the time that BRR gives them.

Nothing happens byte by byte unless the firmware asks for it: what has arrived or left is worked out from the cycle
when a register is read, at the next DMA mark, or when an enabled interrupt is due.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from hil.targets.base import TargetError
from hil.targets.sim.events import NEVER, Events
from hil.targets.sim.peripherals.dma import FAR, Dma, Stream, serving
from hil.targets.sim.peripherals.ending import UNSEEN
from hil.targets.sim.peripherals.nvic import Nvic
from hil.targets.sim.peripherals.outbox import ANSWERED, ANSWERS_HZ, Outbox
from hil.targets.sim.peripherals.registers import RegisterFile

log = logging.getLogger(__name__)

_SR, _DR, _BRR, _CR1, _CR2, _CR3 = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14
_ORE, _IDLE, _RXNE, _TC, _TXE = 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7
_RE, _TE, _IDLEIE, _RXNEIE, _TCIE, _TXEIE, _M, _UE, _OVER8 = (1 << n for n in (2, 3, 4, 5, 6, 7, 12, 13, 15))
_DMAR, _DMAT, _EIE = 1 << 6, 1 << 7, 1
_STORED = 2048  # bytes after which received ones are stored at the latest: only a look at the memory itself would tell
_FETCHED = 256  # and those to be sent are fetched
_TOLERANCE = 0.04  # of the baud rate, before a receiver samples wrong bits


class Usart(RegisterFile):
    """One port. now() is the cycle; clock() the port's clock in Hz and CPU cycles to one of its cycles."""

    hears = True

    def __init__(
        self,
        name: str,
        interrupt: int,
        nvic: Nvic,
        events: Events,
        controllers: tuple[Dma, Dma],
        now: Callable[[], int],
        clock: Callable[[], tuple[int, int]],
    ) -> None:
        self.name = name
        self.line_baud: int | None = None  # of the host at the other end; None: nobody is there
        self.on_output: Callable[[], None] | None = None
        self.on_deaf: Callable[[], None] | None = None  # bytes came while the receiver was off
        # a timeline is told of bytes on the line: whether to the host, when the first one is over, cycles a byte, which
        self.on_line: Callable[[bool, int, int, bytes], None] = lambda to_host, first_end, step, data: None
        self.bytes_lost = 0  # received while nobody took the one before, or while the receiver was off
        self.overruns_to_come = 0  # a fault: so many bytes arrive while nobody has taken the one before
        self._interrupt, self._nvic, self._events = interrupt, nvic, events
        self._now, self._clock = now, clock
        self._events_of = {kind: f"{name}.{kind}" for kind in ("rx", "tx")}
        self._wire = bytearray()  # bytes on their way in
        self._next_arrival = 0
        self.outbox = Outbox()
        self._receivers = [route for dma in controllers for route in dma.routes(name, "rx")]
        self._senders = [route for dma in controllers for route in dma.routes(name, "tx")]
        self._controllers = [dma for dma in controllers if dma.routes(name, "rx") or dma.routes(name, "tx")]
        self._is_attended = False  # the controllers ask this port before they look
        super().__init__()

    def _attend(self) -> None:
        """The port is used: from now on its bytes may be on their way to or from a DMA stream."""
        if not self._is_attended:
            self._is_attended = True
            for dma in self._controllers:
                dma.users.append(self)

    def reset(self) -> None:
        super().reset()
        self._byte_cycles = 0  # not worked out
        self._is_in_step = False  # its rate has been found to be the line's
        self._status = 0  # RXNE, ORE, IDLE
        self._received = 0
        self._idle_at: int | None = None  # when the line will have been idle for a byte
        self._sent_at = 0  # when the last byte will be out
        self._free_at = 0  # when DR can take another
        self._complete_cleared = True
        self._sender_since: int | None = None  # when the DMA was first seen to feed the transmitter
        self._forget()
        self._ending: Stream | None = None  # whose transfer's end native code sees to
        for owner in self._events_of.values():
            self._events.cancel(owner)

    def _forget(self) -> None:
        """What was known of the time to come may be so no more: have a look."""
        self._settled_until = 0
        for dma in self._controllers:
            dma.look_again()

    @property
    def settled_until(self) -> int:
        """The cycle at which time alone brings about something next."""
        return self._settled_until if self._is_in_use else NEVER

    # -- the host's end of the line

    def host_write(self, data: bytes) -> None:
        """Bytes from the host: the first one arrives a byte's time from now, or after those still on their way."""
        self._attend()
        now = self._now()
        self.catch_up()
        if not self._wire:
            self._next_arrival = max(now, self._next_arrival) + self.byte_cycles
            self._idle_at = None
            self._forget()
        self.on_line(False, self._next_arrival + len(self._wire) * self.byte_cycles, self.byte_cycles, data)
        self._wire += data
        self._set_event(self._events_of["rx"], now)  # before the core runs on: once for all that comes until then

    def host_take(self) -> bytes:
        """The bytes that have gone out since the last time."""
        self.catch_up()
        if not self.outbox:
            return b""
        taken = self.outbox.take(self._now())
        if self.outbox and self.on_output:
            self.on_output()
        return taken

    @property
    def is_receiving(self) -> bool:
        """Whether the firmware has switched the receiver on."""
        wanted = _UE | _RE
        return self.values.get(_CR1, 0) & wanted == wanted

    @property
    def is_sending(self) -> bool:
        """Whether bytes are on their way to the host or waiting to be taken."""
        return bool(self.outbox)

    @property
    def in_flight(self) -> int:
        """Bytes from the host that have not arrived."""
        return len(self._wire)

    @property
    def byte_cycles(self) -> int:
        """CPU cycles a byte takes: start bit, eight or nine data bits, stop bits."""
        if not self._byte_cycles:
            self._byte_cycles = self._work_out_byte()
        return self._byte_cycles

    def clock_changed(self) -> None:
        """The bus has another clock."""
        self._byte_cycles, self._is_in_step = 0, False

    def _work_out_byte(self) -> int:
        hz, ratio = self._clock()
        divider = self.values.get(_BRR, 0)
        if not divider:
            return max(1, round(hz * ratio * 10 / (self.line_baud or 115200)))
        if self.values.get(_CR1, 0) & _OVER8:
            divider = (divider >> 4) * 8 + (divider & 7)
        stop_bits = 2 if self.values.get(_CR2, 0) >> 12 & 3 == 2 else 1
        return divider * ratio * (9 + stop_bits + bool(self.values.get(_CR1, 0) & _M))

    # -- registers

    def read(self, offset: int) -> int:
        if offset == _SR:
            self.catch_up()
            return self._status | self._transmit_status(self._now())
        if offset == _DR:
            self.catch_up()
            self._status &= ~(_RXNE | _ORE | _IDLE)  # SR has been read before, in any driver that reads DR
            self._settle(self._now(), self.values.get(_CR1, 0))
            return self._received
        return super().read(offset)

    def peek(self, offset: int) -> int:
        return 0 if offset == _DR else super().peek(offset)

    def changes_at(self, offset: int) -> int | None:
        if offset != _SR:
            return None
        times = [self._free_at, self._sent_at, self._idle_at or NEVER, self._next_arrival if self._wire else NEVER]
        now = self._now()
        return min((time for time in times if time > now), default=NEVER)

    def write(self, offset: int, value: int) -> None:
        self._attend()
        self.catch_up()
        self._forget()
        if offset == _DR:
            self._send(bytes([value & 0xFF]), self._now())
        elif offset == _SR:
            self._status &= value | ~_RXNE
            self._complete_cleared |= not value & _TC
        else:
            super().write(offset, value)
            self._byte_cycles, self._is_in_step = 0, False
        self._schedule()

    def _transmit_status(self, now: int) -> int:
        empty = _TXE if now >= self._free_at else 0
        done = _TC if now >= self._sent_at and not self._complete_cleared else 0
        return empty | (done if self._sent_at else _TC)

    # -- time

    def catch_up(self) -> None:
        """Bring reception and transmission up to the present cycle."""
        if self._is_in_use:
            now = self._now()
            if now >= self._settled_until:
                self._catch_up(now)

    def _catch_up(self, now: int) -> None:
        if self._wire or self._idle_at is not None:
            self._receive_until(now)
        self._transmit_until(now)
        self._settle(now, self.values.get(_CR1, 0))
        times = [self._next_arrival if self._wire else NEVER, self._idle_at or NEVER, self._free_at, self._sent_at]
        self._settled_until = min([time for time in times if time > now], default=NEVER)
        if self._ending is not None and self._ending.has_ended(now):
            self._schedule()

    def _receive_until(self, now: int) -> None:
        if self._wire and self._next_arrival <= now:
            step = self.byte_cycles
            count = min(len(self._wire), (now - self._next_arrival) // step + 1)
            data = bytes(self._wire[:count])
            del self._wire[:count]
            self._next_arrival += count * step
            self._accept(data)
            if not self._wire:
                self._idle_at = self._next_arrival  # a byte's time after the last one
                self._next_arrival -= step
        if self._idle_at is not None and self._idle_at <= now:
            self._status |= _IDLE
            self._idle_at = None

    def _accept(self, data: bytes) -> None:
        """Bytes that have arrived: to the DMA, into DR, or lost."""
        if not self.is_receiving:
            self._lose(len(data), "while its receiver is off")
            if self.on_deaf:
                self.on_deaf()
            return
        self._check_baud()
        data = self._overrun(data)
        stream = self._receiver()
        if stream:
            data = data[stream.receive(data) :]
        if data and not self._status & _RXNE:
            self._received, data = data[0], data[1:]
            self._status |= _RXNE
        if data:
            self._status |= _ORE
            self._lose(len(data), "because nobody took the byte before")

    def _overrun(self, data: bytes) -> bytes:
        """What of the bytes that have arrived is left by a fault that was asked for."""
        if count := min(self.overruns_to_come, len(data)):
            self.overruns_to_come -= count
            self._status |= _ORE
            self._lose(count, "by an overrun that was asked for")
        return data[count:]

    def _lose(self, count: int, why: str) -> None:
        self.bytes_lost += count
        log.warning("%s loses %d bytes %s", self.name.upper(), count, why)

    def _send(self, data: bytes, now: int, by_dma: bool = False) -> None:
        """Start bytes on their way, back to back, as soon as the shift register is free."""
        self._check_baud()
        step = self.byte_cycles
        if now < self._free_at and self.outbox.replace_last(data):  # DR was full
            return
        start = max(now, self._sent_at)
        self.on_line(True, start + step, step, data)
        self._free_at = start + (len(data) - 1) * step
        self._sent_at = start + len(data) * step
        self._complete_cleared = False
        self.outbox.put(start + step, step, data, by_dma)

    def _transmit_until(self, now: int) -> None:
        """Let the DMA refill DR as often as it could have by now."""
        stream = self._sender()
        if stream is None:
            self._end_transfer()
            return
        if self._sender_since is None:
            self._sender_since = now
        while stream.is_enabled and (start := max(self._free_at, self._sender_since)) <= now:
            data = stream.fetch((now - start) // self.byte_cycles + 1)
            if data:
                self._send(data, start, by_dma=True)
        if not stream.is_enabled:
            self._end_transfer()

    def _end_transfer(self) -> None:
        self._sender_since = None
        self.outbox.end_transfer()

    def _sender(self) -> Stream | None:
        """The DMA stream that feeds the transmitter, while one does."""
        return serving(self._senders) if self.values.get(_CR3, 0) & _DMAT else None

    def _receiver(self) -> Stream | None:
        """The DMA stream that takes what arrives, while one does."""
        return serving(self._receivers) if self.values.get(_CR3, 0) & _DMAR else None

    def _check_baud(self) -> None:
        if self._is_in_step or self.line_baud is None:
            return
        hz, _ = self._clock()
        divider = self.values.get(_BRR, 0) or 1
        if self.values.get(_CR1, 0) & _OVER8:
            divider = (divider >> 4) * 8 + (divider & 7)
        baud = hz / divider
        if abs(baud / self.line_baud - 1) > _TOLERANCE:
            raise TargetError(
                f"the firmware runs {self.name.upper()} at {baud:.0f} baud, the link at {self.line_baud}: "
                f"check BRR ({divider:#x}) and the bus clock ({hz / 1e6:g} MHz)"
            )
        self._is_in_step = True

    # -- interrupts and the next thing to happen

    def _settle(self, now: int, control: int) -> None:
        status = self._status | self._transmit_status(now)
        wanted = status & (control & (_IDLEIE | _RXNEIE | _TCIE | _TXEIE))  # enable bits stand where the flags do
        wanted |= status & _ORE and (control & _RXNEIE or self.values.get(_CR3, 0) & _EIE)
        self._nvic.set_line(self._interrupt, bool(wanted and control & _UE))

    @property
    def _is_in_use(self) -> bool:
        return bool(self._wire or self.values.get(_CR1, 0))

    def schedule(self) -> None:
        """A stream may serve it from now on, or no more."""
        self._forget()
        self._schedule()

    def _schedule(self) -> None:
        """Set the events of what happens next."""
        if not self._is_in_use:
            return
        self.catch_up()
        now = self._now()
        control = self.values.get(_CR1, 0)
        self._set_event(self._events_of["rx"], self._next_receive(control))
        self._set_event(self._events_of["tx"], self._next_transmit(control, now))
        if self.outbox and self.on_output:
            self.on_output()

    def _set_event(self, owner: str, cycle: int | None) -> None:
        if cycle is None:
            self._events.cancel(owner)
        else:
            self._events.set(owner, cycle, self._on_event)

    def _on_event(self, _cycle: int) -> None:
        self._schedule()

    def _next_receive(self, control: int) -> int | None:
        if self._wire:
            count = 1 if control & _RXNEIE else min(len(self._wire), _STORED)
            stream = self._receiver()
            if stream:  # where it ends, the bytes behind are for DR
                count = min(count, stream.next_interrupt, stream.left if not stream.is_circular else FAR)
            return self._next_arrival + (count - 1) * self.byte_cycles
        return self._idle_at if self._idle_at is not None and control & _IDLEIE else None

    def _next_transmit(self, control: int, now: int) -> int | None:
        times = []
        if self._ending is not None:
            self._ending.forget_end()
            self._ending = None
        stream = self._sender()
        if stream:
            count = min(stream.next_interrupt, _FETCHED)
            if count <= stream.left:  # else it ends before, and only who looks can tell
                cycle = self._free_at + (count - 1) * self.byte_cycles
                if count == stream.left and stream.expect_end(cycle):
                    self._ending = stream
                    cycle += UNSEEN
                times.append(cycle)
        if control & _TXEIE:
            times.append(self._free_at)
        if control & _TCIE:
            times.append(self._sent_at)
        return min([time for time in times if time > now], default=None)

    @property
    def flush_at(self) -> int:
        """When the bytes on their way are worth handing to the host."""
        stream = self._sender()
        runs_out = self._next_arrival + (len(self._wire) - ANSWERED) * self.byte_cycles
        hz, ratio = self._clock()
        left = stream.left if stream else 0
        return max(self.outbox.worth_taking_at(left, runs_out, hz * ratio // ANSWERS_HZ), self._now())
