"""Why the core stopped, and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from hil.targets.sim.core import running
from hil.timing.compiled import blockhook as hook


class Reason(Enum):
    """Why the core stopped."""

    EVENT = auto()  # the deadline has come
    EXCEPTION = auto()  # a pending exception can be taken
    SLEEP = auto()  # WFI
    WAIT_FOR_EVENT = auto()  # WFE
    YIELD = auto()  # which does nothing
    SPIN = auto()  # a branch to itself: nothing happens until an interrupt
    HOST = auto()  # asked to from outside
    ARRIVED = auto()  # at stop_at
    SUPERVISOR_CALL = auto()
    EXCEPTION_RETURN = auto()
    BREAKPOINT = auto()
    UNDEFINED = auto()
    INVALID_STATE = auto()  # a branch to an even address
    NO_FPU = auto()
    UNALIGNED = auto()
    DIVIDE_BY_ZERO = auto()
    STACK_LIMIT = auto()  # the block will take SP below the stack
    MEMORY = auto()  # an access or a fetch that no memory answers
    DEBUG = auto()  # a debugger wants to look
    DUE = auto()  # before the core runs: an event, or the end of the time given
    TAKE = auto()  # an exception is to be taken
    RUNAWAY = auto()  # the program has been busy for too long
    READY = auto()  # it could go on
    REWRITES = auto()  # the program has written code anew for too long
    NEVER_SLEEPS = auto()  # and wants to sleep, but is woken each time


@dataclass(frozen=True)
class Stop:
    """pc: of the instruction that cannot go on, or the next one. access, address, size: of a MEMORY stop (UC_MEM_*).

    is_mid_block: of a DEBUG stop: nothing may happen before the block goes on, or interrupts would come at other times
    than without the stop.
    """

    reason: Reason
    pc: int
    access: int = 0
    address: int = 0
    size: int = 0
    is_mid_block: bool = False


class NeedsExactPc(Exception):
    """A clock was read in the middle of a block by an instruction not known to read clocks; it will be repeated."""


@dataclass
class Trap:
    """What a callback learnt while the core ran."""

    is_invalid: bool = False
    memory: tuple[int, int, int] | None = None  # access, address, size
    clock_access: bool = False
    error: BaseException | None = None

    @property
    def has_any(self) -> bool:
        """Whether Unicorn itself has stopped."""
        return self.is_invalid or self.memory is not None


# of Unicorn's interrupt numbers
OF_INTERRUPT = {2: Reason.SUPERVISOR_CALL, 4: Reason.UNALIGNED, 7: Reason.BREAKPOINT, 8: Reason.EXCEPTION_RETURN}
OF_HOOK = {
    hook.STOP_EVENT: Reason.EVENT, hook.STOP_EXCEPTION: Reason.EXCEPTION, hook.STOP_SPIN: Reason.SPIN,
    hook.STOP_STACK: Reason.STACK_LIMIT, hook.STOP_HOST: Reason.HOST,
    hook.STOP_REWRITING: Reason.REWRITES,
}  # fmt: skip

OF_RUN = {
    running.DUE: Reason.DUE, running.TAKE: Reason.TAKE, running.RUNAWAY: Reason.RUNAWAY,
    running.NEVER_SLEEPS: Reason.NEVER_SLEEPS, running.READY: Reason.READY,
}  # fmt: skip


def check_reason(kind: int) -> Reason:
    """Of a check that the block hook made of an instruction ahead of it."""
    return Reason.DIVIDE_BY_ZERO if kind == hook.CHECK_DIVISOR else Reason.UNALIGNED
