"""Keywords that harm what passes between host and board."""

from __future__ import annotations

from robot.api import logger
from robot.api.deco import keyword

from hil.link.messages import Type
from hil.robot.stage import Stage
from hil.targets.faulty_line import Harm
from hil.targets.noise import Noise


class LineKeywords:
    """The line. Every harm is to frames from the host unless a keyword says otherwise."""

    stage: Stage

    @keyword
    def corrupt_next_frame(self, type: Type | None = None, count: int = 1) -> None:
        """One byte of the next frame changes on its way to the board.

        ``type``: wait for a frame of this type, such as ``TILE``, ``BEGIN`` or ``READ``. ``count``: so many frames.

        | Corrupt Next Frame    TILE    count=3
        | Stream Image          astronaut
        | Frames Should Have Been Repeated
        """
        self.stage.line.harm_next(Harm.CORRUPTED, type, count)

    @keyword
    def cut_next_frame(self, type: Type | None = None, count: int = 1) -> None:
        """The next frame arrives without its last two thirds; arguments as of `Corrupt Next Frame`."""
        self.stage.line.harm_next(Harm.CUT, type, count)

    @keyword
    def drop_next_frame(self, type: Type | None = None, count: int = 1) -> None:
        """The next frame does not arrive at all; arguments as of `Corrupt Next Frame`."""
        self.stage.line.harm_next(Harm.DROPPED, type, count)

    @keyword
    def double_next_frame(self, type: Type | None = None, count: int = 1) -> None:
        """The next frame arrives twice; arguments as of `Corrupt Next Frame`."""
        self.stage.line.harm_next(Harm.DOUBLED, type, count)

    @keyword
    def delay_next_frame(self, type: Type | None = None, count: int = 1) -> None:
        """The next frame arrives after the one that follows it; arguments as of `Corrupt Next Frame`."""
        self.stage.line.harm_next(Harm.DELAYED, type, count)

    @keyword
    def send_garbage_before_next_frame(self, type: Type | None = None, count: int = 1) -> None:
        """Random bytes arrive before the next frame; arguments as of `Corrupt Next Frame`."""
        self.stage.line.harm_next(Harm.AFTER_GARBAGE, type, count)

    @keyword
    def corrupt_next_answer(self, count: int = 1) -> None:
        """One byte of the board's next answer changes on its way to the host."""
        self.stage.line.corrupt_next_answer(count)

    @keyword
    def make_line_noisy(self, damaged: float = 0.0, dropped: float = 0.0, seed: int = 0) -> None:
        """From now on these shares of all bytes, 0 to 1, change or get lost, in both directions.

        | Make Line Noisy    damaged=0.001    dropped=0.001
        """
        self.stage.line.make_noisy(Noise(damaged, dropped), seed)

    @keyword
    def make_line_quiet(self) -> None:
        """Ends all noise, and cancels faults that no frame has met yet."""
        self.stage.line.quieten()

    @keyword
    def frames_should_have_been_harmed(self, at_least: int = 1) -> None:
        """Fails unless this many frames were damaged since the suite began, and no fault is left over.

        It guards the tests themselves: harm that never happened proves nothing.
        """
        line = self.stage.line
        if line.harmed < at_least or line.waiting:
            raise AssertionError(f"{line.harmed} frames were harmed and {line.waiting} wait, expected {at_least} and 0")

    @keyword
    def frames_should_have_been_repeated(self, at_least: int = 1) -> None:
        """Fails unless the latest image took at least this many repetitions, which the bench counts."""
        found = self.stage.run.link.retries
        logger.info(f"{found} repeated")
        if found < at_least:
            raise AssertionError(f"{found} frames were repeated, expected at least {at_least}")

    @keyword
    def no_frame_should_have_been_repeated(self) -> None:
        """Fails if the latest image took any repetition."""
        found = self.stage.run.link.retries
        if found:
            raise AssertionError(f"{found} frames were repeated, expected none")
