"""What stopped the core, in words and with the function's name. The words are the simulated board's."""

from __future__ import annotations

import struct
from typing import Any

from hil.targets.base import TargetFault
from hil.targets.symbols import Symbols

_STACK_REACH = 64 << 10  # bytes below the stack in which an access is taken for its overflow
_FAULTS = {3: "hard fault", 4: "memory management fault", 5: "bus fault", 6: "usage fault"}  # by exception number
_EXC_RETURN = 0xFFFF_FFE0  # and above: lr in a handler
_THUMB = 1 << 24  # of the pushed status, in every program
Stack = tuple[int, int] | None  # its lowest address and its top


def stack_of(symbols: Symbols) -> Stack:
    """Where a firmware's main stack lies; None where its linker script does not say."""
    low, top = symbols.address("_stack_limit"), symbols.address("_stack_top")
    return None if low is None or top is None else (low, top)


def from_guard(guard: Any, symbols: Symbols) -> TargetFault:
    """The fault that platforms/renode/AccessGuard.cs stopped the core at."""
    kind, detail = _describe(guard.Stopped, int(guard.Address), bool(guard.IsCode), stack_of(symbols))
    return _fault(kind, detail, (int(guard.Pc), int(guard.Lr), int(guard.Sp)), symbols, address=int(guard.Address))


def endless_loop(registers: tuple[int, int, int], seconds: float, symbols: Symbols) -> TargetFault:
    """The program runs and nothing comes of it. registers: pc, lr, sp."""
    return _fault("endless loop", f"{seconds:.3g} s without sleeping or sending a byte", registers, symbols)


def in_handler(registers: tuple[int, int, int], exception: int, frame: bytes, symbols: Symbols) -> TargetFault | None:
    """What a fault's handler that goes round for ever was called for; None where it is no such handler.

    registers: pc, lr, sp. exception: the number of what is handled (ICSR's VECTACTIVE). frame: the 32 bytes at sp: what
    the exception pushed (ARMv7-M B1.5.6), as long as the handler has pushed nothing; then lr, too, is as it was.
    """
    pc, lr, sp = registers
    *_, caller, culprit, status = struct.unpack("<8I", frame)
    if exception not in _FAULTS or lr < _EXC_RETURN or not status & _THUMB or symbols.function(culprit) is None:
        return None
    detail = f"{symbols.describe(pc)} never comes back from it"
    return _fault(_FAULTS[exception], detail, (culprit, caller, sp + len(frame)), symbols)


def _describe(access: str, address: int, is_code: bool, stack: Stack) -> tuple[str, str]:
    if access == "abort":
        return "CPU abort", "Renode cannot go on; its log says why"
    if access == "execute":
        return "jump outside code", f"no code memory at {address:#010x}"
    if stack and stack[0] - _STACK_REACH <= address < stack[0]:
        return "stack overflow", f"{stack[0] - address} bytes below the {stack[1] - stack[0]} bytes of stack"
    if access == "write" and is_code:
        return "write to flash", f"a store to {address:#010x}"
    return f"{'write to' if access == 'write' else 'read of'} unmapped memory", f"nothing is at {address:#010x}"


def _fault(
    kind: str, detail: str, registers: tuple[int, int, int], symbols: Symbols, address: int | None = None
) -> TargetFault:
    pc, lr, sp = registers
    culprit = pc if symbols.function(pc) else lr
    return TargetFault(
        kind, detail, pc=pc, lr=lr, sp=sp, address=address,
        symbol=symbols.function(culprit), line=symbols.line(culprit),
    )  # fmt: skip
