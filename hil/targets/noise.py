"""What a bad line does to bytes: damages some, drops some, the same ones each time for the same seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hil.reading import share


@dataclass(frozen=True)
class Noise:
    """Probabilities for each byte. Raises HilError for what is none."""

    damaged: float = 0.0
    dropped: float = 0.0

    def __post_init__(self) -> None:
        share(self.damaged, "damaged")
        share(self.dropped, "dropped")


class NoisyLine:
    """One direction of a noisy line: takes bytes, and returns those that arrive at the other end."""

    def __init__(self, noise: Noise, seed: int) -> None:
        self._noise = noise
        self._dice = np.random.default_rng(seed)
        self.damaged = self.dropped = 0  # bytes so far

    def pass_on(self, data: bytes) -> bytes:
        values = np.frombuffer(data, np.uint8).copy()
        is_damaged = self._dice.random(len(values)) < self._noise.damaged
        values[is_damaged] ^= self._dice.integers(1, 256, is_damaged.sum(), dtype=np.uint8)
        is_dropped = self._dice.random(len(values)) < self._noise.dropped
        self.damaged += int(is_damaged.sum())
        self.dropped += int(is_dropped.sum())
        return values[~is_dropped].tobytes()

    def garbage(self, count: int) -> bytes:
        """Bytes that mean nothing."""
        return self._dice.integers(0, 256, count, dtype=np.uint8).tobytes()
