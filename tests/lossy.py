"""A line that damages, drops, doubles and reorders what passes, the same way each time for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hil.link.channel import Transport


@dataclass(frozen=True)
class Noise:
    """Probabilities, a byte or a frame."""

    damaged_byte: float = 0.0
    dropped_byte: float = 0.0
    lost_frame: float = 0.0
    doubled_frame: float = 0.0
    late_frame: float = 0.0  # comes after the one behind it


class LossyLine:
    """A transport around another: `outward` noise on what the host writes, `homeward` on what the board does."""

    def __init__(self, transport: Transport, outward: Noise, homeward: Noise, seed: int) -> None:
        self._transport = transport
        self._outward = _Noisy(outward, random.Random(f"out {seed}"))
        self._homeward = _Noisy(homeward, random.Random(f"home {seed}"))

    def write(self, data: bytes) -> None:
        noisy = self._outward.pass_on(data)
        if noisy:
            self._transport.write(noisy)

    def read(self, timeout_s: float) -> bytes:
        while data := self._transport.read(timeout_s):
            noisy = self._homeward.pass_on(data)
            if noisy:
                return noisy
        return self._homeward.late()


class _Noisy:
    def __init__(self, noise: Noise, dice: random.Random) -> None:
        self._noise, self._dice = noise, dice
        self._open = b""
        self._late = b""

    def late(self) -> bytes:
        late, self._late = self._late, b""
        return late

    def pass_on(self, data: bytes) -> bytes:
        """What comes out at the other end. Frames are told apart by their delimiters, as on the wire."""
        *frames, self._open = (self._open + data).split(b"\0")
        passed = b""
        for frame in frames:
            passed += self._frame(frame + b"\0")
        return bytes(self._bytes(passed))

    def _frame(self, frame: bytes) -> bytes:
        if len(frame) == 1:
            return frame
        roll = self._dice.random
        if roll() < self._noise.lost_frame:
            return b""
        if roll() < self._noise.late_frame and not self._late:
            self._late = frame
            return b""
        return frame * (1 + (roll() < self._noise.doubled_frame)) + self.late()

    def _bytes(self, data: bytes) -> list[int]:
        kept = []
        for byte in data:
            if self._dice.random() < self._noise.dropped_byte:
                continue
            is_damaged = self._dice.random() < self._noise.damaged_byte
            kept.append(byte ^ self._dice.randrange(1, 256) if is_damaged else byte)
        return kept
