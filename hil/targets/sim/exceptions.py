"""Exception entry and return (ARMv7-M ARM, B1.5.6 to B1.5.8): stacking with the FPU's part, both stacks, chaining.

The FPU's registers are stacked at entry even with lazy stacking on: what a program can see of it is the same.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from unicorn import arm_const as uc_arm

from hil.targets.sim.core.core import Core
from hil.targets.sim.core.unicorn_api import Registers
from hil.targets.sim.peripherals.nvic import NMI, Nvic
from hil.targets.sim.peripherals.scb import Scb

_R0 = uc_arm.UC_ARM_REG_R0
_BASIC = [_R0, _R0 + 1, _R0 + 2, _R0 + 3, uc_arm.UC_ARM_REG_R12, uc_arm.UC_ARM_REG_LR]
_FLOATS = [uc_arm.UC_ARM_REG_S0 + n for n in range(16)] + [uc_arm.UC_ARM_REG_FPSCR]
_XPSR_WRITE = uc_arm.UC_ARM_REG_XPSR_NZCVQG
_BASIC_BYTES, _EXTENDED_BYTES = 32, 104
_NPRIV, _SPSEL, _FPCA = 1, 2, 4
_SFPA = 8  # Unicorn's M4 believes that it has the security extension and is in its secure state
_XPSR_ALIGNED, _XPSR_THUMB, _XPSR_FLAGS = 1 << 9, 1 << 24, 0xF80F_0000
_RETURNS = {0xFFFF_FFF1, 0xFFFF_FFF9, 0xFFFF_FFFD, 0xFFFF_FFE1, 0xFFFF_FFE9, 0xFFFF_FFED}


class InvalidReturn(Exception):
    """An exception return that the core refuses (UsageFault, INVPC)."""


class UnstackingFailed(Exception):
    """The frame to return to is in no memory (BusFault, UNSTKERR)."""


@dataclass(frozen=True)
class Entry:
    """An exception that has been taken: its vector as the table has it, and whether the frame was lost."""

    vector: int
    stacking_failed: bool


class Exceptions:
    """Takes exceptions and returns from them."""

    def __init__(self, core: Core, nvic: Nvic, scb: Scb) -> None:
        self._core, self._nvic, self._scb = core, nvic, scb
        self.frames: list[tuple[int, int]] = []  # the contexts on the stacks, address and bytes, the innermost last
        status = [uc_arm.UC_ARM_REG_XPSR, uc_arm.UC_ARM_REG_CONTROL, uc_arm.UC_ARM_REG_SP]
        self._entry_registers = Registers(core.uc, _BASIC + status)
        self._basic = Registers(core.uc, _BASIC)
        self._floats = Registers(core.uc, _FLOATS)
        self._masks = Registers(
            core.uc, [uc_arm.UC_ARM_REG_PRIMASK, uc_arm.UC_ARM_REG_FAULTMASK, uc_arm.UC_ARM_REG_BASEPRI]
        )

    def masked_level(self, to_wake: bool = False) -> int:
        """The group priority that a new exception must be below, the mask registers included.

        to_wake: to end a sleep, of which PRIMASK does not keep it (ARMv7-M ARM, B1.5.18).
        """
        primask, faultmask, base = self._masks.read()
        level = self._nvic.running_level()
        if base & 0xF0:
            level = min(level, base & self._nvic.group_mask)
        if primask & 1 and not to_wake:
            level = min(level, 0)
        return min(level, -1) if faultmask & 1 else level

    def take(self, exception: int, return_address: int) -> Entry:
        """Stack the context and enter the handler."""
        core = self._core
        *basic, xpsr, control, sp = self._entry_registers.read()
        with_floats = bool(control & _FPCA)
        frame_at = sp - (_EXTENDED_BYTES if with_floats else _BASIC_BYTES)
        aligned = frame_at & 4 if self._scb.aligns_stack else 0
        frame_at = (frame_at - aligned) & 0xFFFF_FFFF
        words = [*basic, return_address, (xpsr & ~_XPSR_ALIGNED) | (_XPSR_ALIGNED if aligned else 0)]
        if with_floats:
            words += [*self._floats.read(), 0]
        stored = core.memory.is_ram(frame_at, 4 * len(words))
        if stored:
            core.memory.write(frame_at, struct.pack(f"<{len(words)}I", *words))
        core.note_stack(frame_at)
        self.frames.append((frame_at, 4 * len(words)))
        core.set_register(uc_arm.UC_ARM_REG_SP, frame_at)
        core.set_register(uc_arm.UC_ARM_REG_LR, self._return_value(control, with_floats))
        core.spend(core.model.exception_cycles("entry"))
        return Entry(self._enter_handler(exception, xpsr, control), not stored)

    def _return_value(self, control: int, with_floats: bool) -> int:
        """EXC_RETURN: where to return to, by which stack, with which frame."""
        from_thread = 0xFFFF_FFFD if control & _SPSEL else 0xFFFF_FFF9
        value = 0xFFFF_FFF1 if self._nvic.active else from_thread
        return value & ~0x10 if with_floats else value

    def _enter_handler(self, exception: int, xpsr: int, control: int) -> int:
        """Handler mode, main stack. Returns the vector."""
        core = self._core
        core.set_register(uc_arm.UC_ARM_REG_CONTROL, control & _NPRIV)  # before IPSR: SPSEL is read-only in handlers
        core.set_register(_XPSR_WRITE, xpsr & _XPSR_FLAGS | _XPSR_THUMB | exception)
        self._nvic.enter(exception)
        return core.memory.word(self._scb.vector_table + 4 * exception)

    def leave(self, value: int) -> tuple[int, Entry | None]:
        """Return from the innermost exception by EXC_RETURN: the address to go on at, or the exception chained to.

        Raises InvalidReturn or UnstackingFailed, with the exception no longer active.
        """
        core, nvic = self._core, self._nvic
        if not nvic.active:
            raise InvalidReturn("exception return outside a handler")
        if nvic.leave() != NMI:
            core.set_register(uc_arm.UC_ARM_REG_FAULTMASK, 0)
        if value not in _RETURNS or (value & 8 == 0) != bool(nvic.active):
            raise InvalidReturn(f"exception return to {value:#010x}")
        following = nvic.next()
        if following is not None and nvic.level(following) < self.masked_level():
            return 0, self._chain(following, value)
        core.spend(core.model.exception_cycles("return"))
        return self._unstack(value), None

    def _chain(self, exception: int, value: int) -> Entry:
        """Enter another handler with the frame left where it is."""
        core = self._core
        core.set_register(uc_arm.UC_ARM_REG_LR, value)
        core.spend(core.model.exception_cycles("tail-chain"))
        xpsr = core.register(uc_arm.UC_ARM_REG_XPSR)
        return Entry(self._enter_handler(exception, xpsr, core.register(uc_arm.UC_ARM_REG_CONTROL)), False)

    def _unstack(self, value: int) -> int:
        """Restore the context. Returns the address to go on at."""
        core = self._core
        by_process_stack, with_floats = bool(value & 4), not value & 0x10
        stack = uc_arm.UC_ARM_REG_PSP if by_process_stack else uc_arm.UC_ARM_REG_SP
        frame_at = core.register(stack)
        size = _EXTENDED_BYTES if with_floats else _BASIC_BYTES
        if not core.memory.is_ram(frame_at, size):
            raise UnstackingFailed(f"no memory at {frame_at:#010x}")
        del self.frames[-1:]
        words = struct.unpack(f"<{size // 4}I", core.memory.read(frame_at, size))
        *basic, address, xpsr = words[:8]
        self._basic.write(list(basic))
        if with_floats:
            self._floats.write(list(words[8:25]))
        core.set_register(stack, frame_at + size + (4 if xpsr & _XPSR_ALIGNED else 0))
        core.set_register(_XPSR_WRITE, xpsr & ~_XPSR_ALIGNED)
        control = core.register(uc_arm.UC_ARM_REG_CONTROL) & _NPRIV
        control |= (_FPCA | _SFPA if with_floats else 0) | (_SPSEL if by_process_stack else 0)
        core.set_register(uc_arm.UC_ARM_REG_CONTROL, control)
        return address & ~1
