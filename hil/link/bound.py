"""What one exchange with a board may cost, for any answers: frames, bytes, and seconds of the target's time.

An exchange starts with an allowance. Whatever arrives is paid from it, and so is the time that passes. Only bytes that
were asked for and are new pay some of it back, never beyond what it was; an exchange asks for a number of bytes that is
known or limited beforehand, so that the whole of it is bounded, and a board that brings nothing new is left after one
allowance. An honest board on a line that damages 2 % of all bytes needs a hundredth of it.
"""

from __future__ import annotations

from collections.abc import Callable

from hil.link.errors import LinkTimeout

SECONDS, FRAMES, BYTES = 20.0, 4000, 1 << 17  # that may pass without anything new; frames at 20 retries
SECONDS_BACK, FRAMES_BACK, BYTES_BACK = 1 / 256, 2, 256  # for each new byte


class Bound:
    """The allowance of the exchange that is on.

    clock: the target's time in seconds; retries, patience: as the channel's.
    """

    def __init__(self, clock: Callable[[], float], retries: int, patience: float = 1.0) -> None:
        self._clock = clock
        self._full = (SECONDS * patience * max(1, retries / 20), FRAMES * max(1, retries / 20), BYTES)
        self.begin()

    def begin(self) -> None:
        """Another exchange."""
        self._seconds, self._frames, self._bytes = self._full

    def progress(self, new_bytes: int) -> None:
        """Something that was asked for has come, or has arrived at the board."""
        seconds, frames, most = self._full
        self._seconds = min(seconds, self._seconds + new_bytes * SECONDS_BACK)
        self._frames = min(frames, self._frames + new_bytes * FRAMES_BACK)
        self._bytes = min(most, self._bytes + new_bytes * BYTES_BACK)

    def reading(self, read: Callable[[float], bytes], timeout_s: float) -> bytes:
        """Read, and pay for it: at most timeout_s, for a computer that is busy is not the board's fault."""
        begun = self._clock()
        data = read(timeout_s)
        self._seconds -= timeout_s if not data else min(max(0.0, self._clock() - begun), timeout_s)
        self._bytes -= len(data)
        if self._seconds < 0:
            self._raise(f"{self._full[0]:g} s")
        if self._bytes < 0:
            self._raise(f"{self._full[2]} bytes")
        return data

    def take_frame(self) -> None:
        """A frame has come, whatever it says."""
        self._frames -= 1
        if self._frames < 0:
            self._raise(f"{self._full[1]:g} frames")

    def _raise(self, spent: str) -> None:
        raise LinkTimeout(
            f"{spent} from the board and nothing new in them: is it this firmware, and is it the board that is meant?"
        )
