"""Bytes on their way from a USART to the host, until it takes them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from hil.targets.sim.peripherals.patience import PollsForEver

HANDED = 512  # bytes after which what was sent is handed to the host at the latest
ANSWERED = 16  # bytes before the last one to the board is over, the host is handed what it may want to answer
MOST_REPLACED = 500_000  # bytes lost more than sent, each by a write to a full DR: 10 s of the computer at the most
ANSWERS_HZ = 50  # or after 20 ms, of which no host takes notice


@dataclass
class Burst:
    """Bytes sent back to back, by the core or in a transfer of a DMA stream."""

    first_end: int  # the cycle at which the first one is out
    step: int  # cycles a byte
    data: bytearray
    is_open: bool  # the stream's transfer goes on


class Outbox:
    """Bursts in their order. complete_at: the cycle at which what was taken last could have been taken."""

    def __init__(self) -> None:
        self._bursts: deque[Burst] = deque()
        self.complete_at = 0
        self._replaced = 0

    def __bool__(self) -> bool:
        return bool(self._bursts)

    def put(self, first_end: int, step: int, data: bytes, by_dma: bool) -> None:
        """Bytes follow, of which the first one is out at a cycle."""
        self._replaced = max(0, self._replaced - len(data))
        last = self._bursts[-1] if self._bursts else None
        is_next = last is not None and last.first_end + len(last.data) * last.step == first_end
        if last and is_next and last.step == step and last.is_open == by_dma:
            last.data += data
        else:
            self._bursts.append(Burst(first_end, step, bytearray(data), is_open=by_dma))

    def replace_last(self, data: bytes) -> bool:
        """The last byte has not begun, and is another. Returns whether there is one.

        Raises PollsForEver where the program does little else.
        """
        if not self._bursts or not self._bursts[-1].data:
            return False
        self._replaced += 1
        if self._replaced > MOST_REPLACED:
            raise PollsForEver(f"{self._replaced} bytes are lost, written while DR was full: it does not wait for TXE")
        self._bursts[-1].data[-1:] = data
        return True

    def end_transfer(self) -> None:
        """What follows belongs to another transfer."""
        if self._bursts:
            self._bursts[-1].is_open = False

    def take(self, now: int) -> bytes:
        """What has gone out by now."""
        taken = bytearray()
        self.complete_at = now
        while self._bursts and self._bursts[0].first_end <= now:
            burst = self._bursts[0]
            count = min(len(burst.data), (now - burst.first_end) // burst.step + 1)
            taken += burst.data[:count]
            del burst.data[:count]
            burst.first_end += count * burst.step
            if not burst.data:
                self._bursts.popleft()
                self.complete_at = min(burst.first_end, now)
        return bytes(taken)

    def worth_taking_at(self, to_come: int, line_runs_out: int, patience: int) -> int:
        """When the first burst is worth handing to the host: a byte's time after its last byte, or when it is long.

        While bytes are on their way to the board, what the host would answer comes behind them: then it is enough that
        it answers before they run out. to_come: bytes that the burst's transfer will add; line_runs_out: the cycle at
        which nearly all bytes to the board have arrived; patience: cycles that an answer may be late in any case.
        """
        burst = self._bursts[0]
        count = len(burst.data) + (to_come if burst.is_open else 0)
        complete = burst.first_end + min(count, HANDED) * burst.step
        return complete if count >= HANDED else max(complete, min(line_runs_out, complete + patience))
