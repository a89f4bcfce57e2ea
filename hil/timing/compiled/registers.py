"""Where Unicorn keeps the core's registers, for hooks to load them without a call of uc_reg_read.

Nothing in Unicorn's interface says where. Its struct uc_struct holds a pointer to the CPU, and in the CPU the registers
lie side by side, so they are found by values written to them. That is tried once a process, on a core of its own, and
on Linux only, where memory can be read that may not be there. Elsewhere uc_reg_read is asked.
"""

# mypy: disable-error-code="no-untyped-def, call-arg"
from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, NamedTuple

import unicorn
from unicorn import arm_const

from hil.machine_code import njit
from hil.timing.compiled.native import INTERNAL, call_reg_read, load_word

_R0, _SP, _LR, _S0 = arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_SP, arm_const.UC_ARM_REG_LR, arm_const.UC_ARM_REG_S0
_CORE, _FLOATS = range(_R0, _R0 + 13), range(_S0, _S0 + 32)
_STRUCT_BYTES, _CPU_BYTES, _WORD = 4096, 1 << 16, 8  # of uc_struct and of a CPU that are searched; of a pointer
_PATTERNS = (0x51A3_0000, 0x2E5C_0000)  # of the values; the second shows that what was found follows what is written


class Places(NamedTuple):
    """Addresses of r0, which r1 to r15 follow, and of s0, which s1 to s31 follow; 0: not known."""

    core: int
    floats: int


@njit(**INTERNAL)
def read_register(function, core, floats, uc, register):
    """A register as uint32, by Unicorn's id: from its place if that is known, else by uc_reg_read at `function`."""
    if core != 0:
        if _R0 <= register < _R0 + 13:
            return load_word(core + 4 * (register - _R0))
        if register == _SP:
            return load_word(core + 4 * 13)
        if register == _LR:
            return load_word(core + 4 * 14)
        if _S0 <= register < _S0 + 32:
            return load_word(floats + 4 * (register - _S0))
    return call_reg_read(function, uc, register)


def places(uc: unicorn.Uc) -> Places:
    """Of a core of the model Cortex-M4 that has been set up."""
    offsets = _offsets()
    if offsets is None:
        return Places(0, 0)
    pointer, core, floats = offsets
    cpu = ctypes.c_uint64.from_address(_address(uc) + pointer).value
    return Places(cpu + core, cpu + floats)


@cache
def _offsets() -> tuple[int, int, int] | None:
    """Of the pointer to the CPU in uc_struct, and of r0 and s0 in the CPU; None where they are not found."""
    uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M4)
    try:
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            first = set(_found(memory, uc, _PATTERNS[0]))
            both = first.intersection(_found(memory, uc, _PATTERNS[1]))
    except OSError:
        return None
    return both.pop() if len(both) == 1 else None


def _found(memory: Any, uc: unicorn.Uc, pattern: int) -> list[tuple[int, int, int]]:
    for ids in (_CORE, _FLOATS):
        for number in ids:
            uc.reg_write(number, pattern + number)
    core, floats = (b"".join((pattern + number).to_bytes(4, "little") for number in ids) for ids in (_CORE, _FLOATS))
    struct = _bytes(memory, _address(uc), _STRUCT_BYTES)
    found = []
    for offset in range(0, len(struct) - _WORD + 1, _WORD):
        cpu = _bytes(memory, int.from_bytes(struct[offset : offset + _WORD], "little"), _CPU_BYTES)
        if core in cpu and floats in cpu:
            found.append((offset, cpu.index(core), cpu.index(floats)))
    return found


def _address(uc: Any) -> int:
    return int(uc._uch.value)


def _bytes(memory: Any, address: int, size: int) -> bytes:
    """As many as can be read."""
    try:
        memory.seek(address)
        return bytes(memory.read(size))
    except (OSError, OverflowError, ValueError):
        return b""
