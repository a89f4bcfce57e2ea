"""What an interrupt took that came where the stack was deepest: where it comes differs between two emulators."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hil.targets.base import Target
from hil.targets.symbols import Symbols

WORD = 4
# of an exception's frame: r0 to r3, r12, lr, pc, xPSR; with S0 to S15, FPSCR and a gap
BASIC_BYTES, FPU_BYTES = 32, 104
PUSHED_WORDS = 4  # that a handler may put below it, its EXC_RETURN the last of them
EXC_RETURNS = {0xFFFF_FFF9: BASIC_BYTES, 0xFFFF_FFE9: FPU_BYTES}  # into the thread (ARMv7-M, B1.5.8)
# of xPSR: Thumb, a handler's number, a word skipped
THUMB, EXCEPTION, ALIGNED = 1 << 24, 0x1FF, 1 << 9


@dataclass(frozen=True)
class Depth:
    """used: bytes of stack in all. least, most: of the program alone before the interrupt at the deepest point; the
    three are equal where none came there, and the two where the frame's size is known."""

    used: int
    least: int
    most: int


def depth(target: Target, table: Symbols, used: int) -> Depth:
    """Looks at the deepest words of a stack of which so many bytes have been used."""
    top = table.address("_stack_top")
    assert top is not None, "our linker script names the stack"
    words = struct.unpack(f"<{PUSHED_WORDS + 8}I", target.read_memory(top - used, (PUSHED_WORDS + 8) * WORD))
    for pushed in range(PUSHED_WORDS + 1):
        *_, pc, status = words[pushed : pushed + 8]
        if status & THUMB and not status & EXCEPTION and table.function(pc) is not None:
            left = used - (pushed + bool(status & ALIGNED)) * WORD
            known = EXC_RETURNS.get(words[pushed - 1]) if pushed else None
            return Depth(used, left - (known or FPU_BYTES), left - (known or BASIC_BYTES))
    return Depth(used, used, used)
