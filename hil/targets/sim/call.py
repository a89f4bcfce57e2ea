"""Calling one function of an image, with no firmware of ours around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unicorn import arm_const as uc_arm

from hil.errors import HilError
from hil.targets.base import TargetError
from hil.targets.sim.board import SimBoard
from hil.timing.compiled import blockhook as hook

_FPU_FULL_ACCESS = 0xF << 20
_CPACR = 0xE000_ED88
_ARGUMENT_REGISTERS = 4


@dataclass(frozen=True)
class Called:
    """What a call cost, from the first instruction to the arrival at the return address, and what it returned."""

    cycles: int
    instructions: int
    r0: int


def start_up(board: SimBoard) -> None:
    """Do for RAM and FPU what the image's own start-up code would: a function may be called without it having run."""
    for address, data in board.image.initial:
        board.core.memory.write(address, data)
    board.chip.bus.write(_CPACR, 4, _FPU_FULL_ACCESS)


def call(
    board: SimBoard,
    function: str,
    arguments: Sequence[int] = (),
    *,
    sp: int | None = None,
    stop: int | None = None,
    limit_cycles: int = 10**9,
) -> Called:
    """Call a function by the AAPCS, after start_up(): r0 to r3 and the stack from `arguments`, SP from `sp`.

    The stack pointer is the top of SRAM where none is given. stop: an address to stop before, in the place of the
    return.
    Raises HilError where the image has no such function, TargetFault where it crashes, TargetError where it does not
    return.
    """
    address = board.image.symbols.address(function)
    if address is None:
        raise HilError(f"{board.image.path}: there is no symbol {function!r}")
    core = board.core
    back = board.board.flash.end - 16
    core.stop_at = back if stop is None else stop
    stack = (board.board.sram.end if sp is None else sp) & ~7
    on_stack = arguments[_ARGUMENT_REGISTERS:]
    stack -= (4 * len(on_stack) + 7) & ~7
    for k, value in enumerate(on_stack):
        core.memory.write(stack + 4 * k, (value & 0xFFFF_FFFF).to_bytes(4, "little"))
    for n, value in enumerate(arguments[:_ARGUMENT_REGISTERS]):
        core.set_register(uc_arm.UC_ARM_REG_R0 + n, value & 0xFFFF_FFFF)
    core.set_register(uc_arm.UC_ARM_REG_SP, stack)
    core.set_register(uc_arm.UC_ARM_REG_LR, back | 1)
    core.model.start()  # the call itself is not charged
    board.jump(address)
    start, executed = core.now, core.words[hook.INSTRUCTIONS]
    board.run(start + limit_cycles)
    if not board.arrived:
        raise TargetError(f"{function} did not return within {limit_cycles} cycles: it is in {board.describe_place()}")
    result = core.register(uc_arm.UC_ARM_REG_R0)
    arrival = core.model.arrival_cycles() if stop is None else 0
    return Called(core.now + arrival - start, core.words[hook.INSTRUCTIONS] - executed, result)
