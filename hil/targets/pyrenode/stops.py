"""What stopped the core, in words and with the function's name. The words are the simulated board's."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hil.targets.base import TargetFault
from hil.targets.pyrenode.messages import Stop
from hil.targets.pyrenode.progress import Stuck
from hil.targets.sim.restless import name_of
from hil.targets.symbols import Symbols

_STACK_REACH = 64 << 10  # bytes below the stack in which an access is taken for its overflow
_FAULTS = {3: "hard fault", 4: "memory management fault", 5: "bus fault", 6: "usage fault"}  # by exception number
_SP, _LR, _PC, _STATUS = 13, 14, 15, 16
_EXC_RETURN = 0xFFFF_FFE0  # and above: lr in a handler
_WITHOUT_FPU = 1 << 4  # of EXC_RETURN: no floating-point registers were pushed
_PADDED = 1 << 9  # of the pushed status: a word was left out, so that the frame is aligned
_THUMB = 1 << 24  # of the pushed status, in every program
_WFE, _WFI, _SEV = 0xBF20, 0xBF30, 0xBF40
_SYSTEM_MEMORY = range(0x1FFF_7800, 0x1FFF_7C00)  # what the platform has of it
_SAID = {
    "abort": ("CPU abort", "Renode cannot go on; its log says why"),
    "breakpoint": ("breakpoint", "no debugger is there to take it"),
    "execute": ("jump outside code", "no code memory at {}"),
    "table": ("vector table outside memory", "VTOR {}"),
    "vector": ("jump to an even address", "the vector at {} is no address of Thumb code"),
    "lock-up": ("lock-up", "neither the vector at {} nor the fault handler's is an address of Thumb code"),
}
FRAME_BYTES = 32  # of what an exception pushes, without floating-point registers
_FPU_BYTES = 72
Registers = tuple[int, ...]  # r0 to r15 and the program status
Stack = tuple[int, int] | None  # its lowest address and its top


@dataclass(frozen=True)
class Crash:
    """A fault, and the registers of the instruction that did it."""

    fault: TargetFault
    registers: Registers


def stack_of(symbols: Symbols) -> Stack:
    """Where a firmware's main stack lies; None where its linker script does not say."""
    low, top = symbols.address("_stack_limit"), symbols.address("_stack_top")
    return None if low is None or top is None else (low, top)


def from_guard(stop: Stop, registers: Registers, symbols: Symbols) -> Crash:
    """What our classes in platforms/renode stopped the core at."""
    kind, detail = _describe(stop, stack_of(symbols))
    return _crash(kind, detail, registers, symbols, stop.address)


def stuck(what: Stuck, registers: Registers, symbols: Symbols) -> Crash:
    """The firmware does not get on."""
    return _crash(what.kind, what.detail, registers, symbols, at=what.at)


def asleep(registers: Registers, code: bytes, pending: int, can_wake: bool, symbols: Symbols) -> Crash | None:
    """What is wrong with a program that has slept for long; None where it waits for something that may come.

    code: the six bytes of which the last two are at its program counter; pending: the number of an exception that waits
    to be taken, 0 where none does; can_wake: an interrupt is enabled.
    """
    before, last, next = struct.unpack("<3H", code)
    if last not in (_WFI, _WFE) and next not in (_WFI, _WFE):
        return None
    before, last, at = (before, last, -2) if last in (_WFI, _WFE) else (last, next, 0)
    if pending:
        kind, detail = "endless wait", f"it does not sleep: {name_of(pending)} is pending and masked"
    elif last == _WFE and before == _SEV:
        kind, detail = "endless wait", "it does not sleep: WFE finds an event"
    elif not can_wake:
        kind, detail = "endless sleep", "no interrupt is enabled that could end it"
    else:
        return None
    return _crash(kind, detail, registers, symbols, at=registers[_PC] + at)


def in_handler(registers: Registers, exception: int, frame: bytes, symbols: Symbols) -> Crash | None:
    """What a fault's handler that goes round for ever was called for; None where it is no such handler.

    exception: the number of what is handled (ICSR's VECTACTIVE). frame: the FRAME_BYTES at sp: what the exception
    pushed (ARMv7-M B1.5.6), as long as the handler has pushed nothing; then lr, too, is as it was.
    """
    *scratch, r12, caller, culprit, status = struct.unpack("<8I", frame)
    exc_return = registers[_LR]
    if exception not in _FAULTS or exc_return < _EXC_RETURN or not status & _THUMB:
        return None
    if symbols.function(culprit) is None:
        return None
    size = FRAME_BYTES + (0 if exc_return & _WITHOUT_FPU else _FPU_BYTES) + (4 if status & _PADDED else 0)
    before = (*scratch, *registers[4:12], r12, registers[_SP] + size, caller, culprit, status)
    detail = f"{symbols.describe(registers[_PC])} never comes back from it"
    return _crash(_FAULTS[exception], detail, before, symbols)


def _describe(stop: Stop, stack: Stack) -> tuple[str, str]:
    address = stop.address
    if stop.access in _SAID:
        kind, detail = _SAID[stop.access]
        return kind, detail.format(f"{address:#010x}")
    if stop.access == "write" and address in _SYSTEM_MEMORY:
        return "write to system memory", f"a store to {address:#010x}"
    if stack and stack[0] - _STACK_REACH <= address < stack[0]:
        return "stack overflow", f"{stack[0] - address} bytes below the {stack[1] - stack[0]} bytes of stack"
    if stop.access == "write" and stop.is_code:
        return "write to flash", f"a store to {address:#010x}"
    return f"{'write to' if stop.access == 'write' else 'read of'} unmapped memory", f"nothing is at {address:#010x}"


def _crash(
    kind: str, detail: str, registers: Registers, symbols: Symbols, address: int | None = None, at: int | None = None
) -> Crash:
    """at: the address that did it, where that is not the program counter."""
    pc, lr, sp = registers[_PC], registers[_LR], registers[_SP]
    here = pc if at is None else at & ~1
    culprit = here if symbols.function(here) else lr
    fault = TargetFault(
        kind, detail, pc=pc, lr=lr, sp=sp, address=address,
        symbol=symbols.function(culprit), line=symbols.line(culprit),
    )  # fmt: skip
    return Crash(fault, registers)
